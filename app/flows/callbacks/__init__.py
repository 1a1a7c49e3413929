"""What Tencent tells us, one module a subject. A callback mostly says THAT something changed: it is noted with its own
moment, and what the thing is now is asked (flows/refresh). Each may come twice, late, or in any order.
"""
