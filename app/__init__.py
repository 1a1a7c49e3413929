"""Siyu: the open backend of a retail brand's private domain on WeCom and WeChat.

Put together in two ways: `web.create_app` answers requests and has the command line, `background.create_app` is what
workers need and starts a quarter sooner, which is most of what recovery after a crash takes.
"""
