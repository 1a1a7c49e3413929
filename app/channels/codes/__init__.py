"""Channel codes (渠道活码): QR codes and links that lead customers to guides, and who came by which.

Three kinds share one table: a contact way of WeCom (its `state` comes back with every customer it brings), a paid
acquisition link (its `customer_channel` comes back as the state), and a mini-program code (the state is its scene).
"""
