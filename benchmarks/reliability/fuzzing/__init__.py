"""Broken and hostile files: how they are made, which doors they are put through, who watches."""
