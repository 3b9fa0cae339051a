"""Resampling of images and PSFs."""
