"""Labels with QR codes, with which customers claim their devices."""
