"""What a recipe means that names no method, layout or metrics, and what is measured then."""

METHOD = "pix2pix"
LAYOUT = "side_by_side"
METRICS = ("l1", "psnr", "ssim")  # the first decides which checkpoint is best
# What `imtrans evaluate` measures unless it is asked for others: beside a recipe's own metrics,
# where targets are label maps, where photographs are made from them, and where there are no pairs.
EVALUATED = ("l1", "psnr", "ssim", "ms_ssim", "lab_histogram")
OF_LABELS, OF_SCORER, OF_SETS = "mean_iou", "fcn_score", ("fid", "kid")
