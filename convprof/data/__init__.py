"""DATA, as the commands take it, to the feeds that a model takes.

DATA is one of

* `FILE.npz` with an array for each input, called as the input is; a model's single input may also be called `x`, or be
  the only array besides the labels;
* `FILE.npy` for a model with a single input;
* a folder of pictures (.png .jpg .jpeg .bmp .webp .tif .tiff), sorted by name, or of one subfolder a class; needs
  Pillow, that is `pip install "convprof[pictures]"`;
* `package.module:function`, called without arguments, which yields feeds: a dict from input name to array, or for a
  model with a single input just the array. The working directory is importable while the module is imported.

In their place may stand `synthetic`, for calibration only: pictures that convprof draws (`convprof.data.scenes`) for a
model with one input of 1 or 3 channels. A folder of that name is `./synthetic`.

Samples are on axis 0 everywhere. Numbers are passed on as they are, cast only where no value changes, and from float64
to float32.

Pictures, that is picture files and uint8 arrays of rank 4 (NHWC, or NCHW where only that fits the model), are turned
into value = (pixel / scale - mean) / std by `preprocess`, a text of comma-separated parts: optionally one preset first,

* `unit`: pixels / 255; `signed`: pixels / 255, then 0..1 to -1..1; `raw`: the pixels as they are;
* `imagenet`: pixels / 255, mean 0.485:0.456:0.406, std 0.229:0.224:0.225;

and then keys, which win over the preset:

* `size=HxW` or `size=224`: picture files are scaled (bilinear, antialiased) until they cover that size and cropped
  around the centre; without it they are brought to the model's size where the model has a fixed one;
* `scale=255` (the default), `mean=a:b:c`, `std=a:b:c`: one value, or one a channel, in the order of the picture's
  channels (red, green, blue), whatever `order` says;
* `order=bgr`: the model takes blue first (default `rgb`);
* `layout=nchw` or `layout=nhwc`: the model's layout, where its input shape does not show it.

A network trained on CIFAR's own statistics: `scale=1,mean=125.3:123.0:113.9,std=62.99:62.09:66.70`.

Labels are the name of an array of the same DATA, a .npy file, or `folders`: the number of each picture's subfolder in
alphabetical order. Integer vectors become int64; other targets stay as they are. Label pictures (uint8, rank 4) that go
with preprocessed pictures become float32: divided by `scale`, neither centred nor divided by `std`, in the model's
layout and channel order; with a scale of 255 a PSNR of peak 1.0 is then right for a network whose output is 0..1.
Class numbers for each pixel are no pictures: store them as int64 or without a channel axis.
"""

from convprof.data.batches import Batches as Batches
from convprof.data.opening import open_data as open_data
from convprof.data.pixels import Pixels as Pixels
from convprof.data.preprocess import Preprocess as Preprocess
from convprof.data.preprocess import parse_preprocess as parse_preprocess
from convprof.data.synthetic import SYNTHETIC as SYNTHETIC
from convprof.data.synthetic import assumed_preprocess as assumed_preprocess
from convprof.data.synthetic import synthetic_batches as synthetic_batches
from convprof.data.synthetic import takes_pictures as takes_pictures
