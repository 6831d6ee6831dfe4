#! files: mandelbrot.png, wave.npy
import numpy as np
from PIL import Image

t = np.arange(256) / 256
wave = np.sin(2 * np.pi * 10 * t) + 0.5 * np.sin(2 * np.pi * 40 * t)
spectrum = np.abs(np.fft.rfft(wave))
print("peaks", sorted(np.argsort(spectrum)[-2:].tolist()))
np.save("wave.npy", wave)
print(np.allclose(np.load("wave.npy"), wave))
y, x = np.mgrid[-1.2:1.2:90j, -2:0.6:120j]
c = x + 1j * y
z = np.zeros_like(c)
counts = np.zeros(c.shape, dtype=np.uint8)
for _ in range(40):
    alive = np.abs(z) <= 2
    z[alive] = z[alive] ** 2 + c[alive]
    counts += alive.astype(np.uint8)
Image.fromarray(counts * 6).save("mandelbrot.png")
print(counts.shape, int(counts.max()), int((counts == 40).sum()) > 1000)
values, vectors = np.linalg.eigh(np.array([[2.0, 1.0], [1.0, 2.0]]))
print(values.round(6).tolist(), np.polyfit([0, 1, 2], [1, 3, 5], 1).round(6).tolist())
