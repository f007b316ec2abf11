"""Images, volumes, projections and truth as DICOM: one file a kind of image (SOP class), plain modules of PS3.3."""
