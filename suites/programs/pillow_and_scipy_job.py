# an image and an optimisation
import numpy as np
from PIL import Image, ImageDraw
from scipy import optimize, stats

image = Image.new("RGB", (40, 30), "white")
ImageDraw.Draw(image).ellipse((5, 5, 30, 25), fill="red")
image.save("dot.png")
image.resize((20, 15)).save("dot.jpg", quality=80)
print(image.getpixel((15, 15)), np.asarray(image).mean().round(3))
print(round(optimize.brentq(lambda x: x ** 3 - 2, 0, 2), 9), round(stats.norm.cdf(1.96), 6))
