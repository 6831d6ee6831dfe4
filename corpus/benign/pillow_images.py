#! files: animation.gif, photo.jpg, shapes.png, thumb.png
from PIL import Image, ImageChops, ImageDraw, ImageFilter

image = Image.new("RGB", (200, 100), "white")
draw = ImageDraw.Draw(image)
draw.rectangle([10, 10, 60, 60], fill=(255, 0, 0), outline="black")
draw.ellipse([80, 20, 140, 80], fill="blue")
draw.line([(0, 99), (199, 0)], fill="green", width=3)
draw.text((150, 40), "text", fill="black")
image.save("shapes.png")
image.resize((50, 25), Image.LANCZOS).save("thumb.png")
image.rotate(90, expand=True).filter(ImageFilter.GaussianBlur(1)).save("photo.jpg", quality=80)
frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
frames[0].save("animation.gif", save_all=True, append_images=frames[1:], duration=100, loop=0)

again = Image.open("shapes.png")
print(again.size, again.mode, again.getpixel((30, 30)), again.getpixel((110, 50)))
print(Image.open("thumb.png").size, Image.open("photo.jpg").size, Image.open("photo.jpg").format)
gif = Image.open("animation.gif")
print(gif.n_frames, gif.info["duration"])
grey = again.convert("L")
print(grey.getextrema(), ImageChops.difference(again, again.convert("RGB")).getbbox())
