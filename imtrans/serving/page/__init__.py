"""The page of `imtrans serve`, made of gradio's components and the drawing board."""
