"""The main job played over HTTP only, as Tencent, shopper, guide, till and HQ: `make story`."""
