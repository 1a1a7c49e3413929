from tencent import tencent, world  # noqa: F401
