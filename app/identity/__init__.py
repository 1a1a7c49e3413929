"""ONE-ID: the person behind the ids that WeChat, WeCom, the till and the phone know."""
