"""The page on which customers claim their devices."""
