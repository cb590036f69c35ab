"""What a recipe means that names no method, layout or metrics."""

METHOD = "pix2pix"
LAYOUT = "side_by_side"
METRICS = ("l1", "psnr", "ssim")  # the first decides which checkpoint is best
