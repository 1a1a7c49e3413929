"""WeCom channels: codes that lead to guides, who follows whom, and what we sent out."""
