"""A trained translator as one file that runs without imtrans: with torch alone, or with ONNX."""
