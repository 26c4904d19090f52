"""The readers take the published layouts and refuse everything else, naming the files."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from drawings import drawn
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from gain_ros.datasets import camvid, cityscapes
from gain_ros.errors import DatasetError
from gain_ros.labels import CAMVID, CAMVID_COLORS, CITYSCAPES, CITYSCAPES_IDS, camvid_split
from training.data import CamVid, Cityscapes, Scenes
from training.data.augment import Augmentation


def write_mask(root, mask):
    assert cv2.imwrite(str(root / "trainannot/3.png"), mask)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def test_camvid_is_read_as_rgb_with_void_as_255(camvid_root):
    frames = camvid.open_split(camvid_root, "train")
    stored = cv2.imread(str(camvid_root / "train/0.png"))
    assert (len(frames), frames[0].name) == (6, "0")
    assert np.array_equal(frames[0].image, stored[..., ::-1])
    assert set(np.unique(frames[0].labels[:2])) == {255}
    assert np.array_equal(frames[0].labels, drawn(0).labels)


def test_lists_as_segnet_wrote_them(camvid_root):
    listing = camvid_root / "val.txt"
    rows = [line.split() for line in listing.read_text().splitlines()]
    listing.write_text("".join(f"/SegNet/CamVid/{image} /SegNet/CamVid/{mask}\n" for image, mask in rows))
    assert len(camvid.open_split(camvid_root, "val")) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "train.txt").unlink(), r"train\.txt: is not there"),
        (lambda root: (root / "train/3.png").unlink(), r"3\.png: No such file"),
        (lambda root: (root / "train.txt").write_text("train/0.png trainannot/0.png\n"), "1 train frames; .* has 6"),
        (lambda root: (root / "train.txt").write_text("train/0.png\n"), "not 'image mask'"),
        (lambda root: (root / "train/3.png").write_bytes(b"no picture"), r"3\.png: is no PNG or JPEG"),
        (lambda root: (root / "train/3.png").write_bytes(b""), r"3\.png: is empty"),
        (lambda root: cut(root / "train/3.png"), r"train/3\.png: is cut short"),
        (lambda root: cut(root / "trainannot/3.png"), r"trainannot/3\.png: is cut short"),
        (lambda root: write_mask(root, np.full((72, 96), 12, np.uint8)), r"3\.png: holds the value 12"),
        (lambda root: write_mask(root, np.zeros((72, 95), np.uint8)), "is 95x72, its image 96x72"),
        (lambda root: write_mask(root, np.zeros((72, 96, 3), np.uint8)), r"3\.png: is a colour mask"),
        (lambda root: write_mask(root, np.zeros((72, 96), np.uint16)), r"3\.png: is uint16"),
    ],
)
def test_damage_is_named(camvid_root, damage, message):
    damage(camvid_root)
    with pytest.raises(DatasetError, match=message):
        camvid.open_split(camvid_root, "train")


def test_one_error_lists_all_damage(camvid_root):
    for i in (1, 2, 4):
        cut(camvid_root / f"train/{i}.png")
    (camvid_root / "trainannot/5.png").unlink()
    with pytest.raises(DatasetError, match=r"(?s)4 problem.*train/1.*train/2.*train/4.*trainannot/5"):
        camvid.open_split(camvid_root, "train")


def test_a_long_list_of_damage_is_counted(cityscapes_root, monkeypatch):
    monkeypatch.setattr(cityscapes, "COUNTS", {"train": 40})
    for i in range(6, 40):
        (cityscapes_root / f"leftImg8bit/train/aachen/aachen_{i:06}_000019_leftImg8bit.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"(?s)^68 problem.*and 38 more$"):
        cityscapes.open_split(cityscapes_root, "train")


def test_cambridge_layout_follows_segnets_split(cambridge_root):
    names = {part: [p.name for p in camvid.open_split(cambridge_root, part, "merged")] for part in ("val", "test")}
    assert names == {"val": ["0016E5_07959"], "test": ["0001TP_008550", "Seq05VD_f00000"]}
    train = camvid.open_split(cambridge_root, "train", "merged")
    assert [p.name for p in train] == ["0001TP_008520", "0006R0_f00930", "0016E5_08190"]
    assert np.array_equal(train[0].labels, drawn(0).labels)


def test_the_split_rule_gives_segnets_own_lists(data_folder):
    for part in ("train", "val"):
        rows = (data_folder / "camvid480" / f"{part}.txt").read_text().split()[::2]
        assert {camvid_split(row.split("/")[1].partition(".")[0]) for row in rows} == {part}


def test_conventions_differ_where_they_should():
    colors = np.array([[color for _, color, _ in CAMVID_COLORS]], np.uint8)
    merged, strict = (camvid.CONVENTIONS[c].labels(colors[..., ::-1], "m.png")[0] for c in ("merged", "strict"))
    assert len({color for _, color, _ in CAMVID_COLORS}) == 32
    assert [CAMVID.names[i] if i != 255 else None for i in merged] == [ours for _, _, ours in CAMVID_COLORS]
    assert sorted(strict[strict != 255]) == list(range(11))
    assert np.array_equal(strict[strict != 255], merged[strict != 255])
    own = dict(zip((name for name, _, _ in CAMVID_COLORS), strict.tolist(), strict=True))
    assert (own["LaneMkgsDriv"], own["Truck_Bus"], own["Car"]) == (255, 255, 8)


def test_conventions_are_never_mixed(camvid_root):
    with pytest.raises(DatasetError, match=r"(?s)6 problem.*convention.*given: merged.*3\.png: is no 8-bit RGB"):
        camvid.open_split(camvid_root, "train", "merged")


def test_colour_masks_are_no_index_masks(cambridge_root):
    with pytest.raises(DatasetError, match=r"(?s)3 problem.*given: segnet.*_L\.png: is a colour mask"):
        camvid.open_split(cambridge_root, "train", "segnet")


def test_a_colour_that_is_none_of_the_32_is_an_error(cambridge_root):
    path = cambridge_root / camvid.LABEL_FOLDER / "0016E5_07959_L.png"
    mask = cv2.imread(str(path))
    mask[5, 7] = (3, 2, 1)
    cv2.imwrite(str(path), mask)
    with pytest.raises(DatasetError, match=r"07959_L\.png: holds the colour \(1, 2, 3\)"):
        camvid.open_split(cambridge_root, "val", "strict")


def test_cityscapes_table_is_the_official_one():
    official = {
        "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
        "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
        "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
    }  # fmt: skip
    assert dict(zip(CITYSCAPES.names, CITYSCAPES_IDS, strict=True)) == official
    labels = cityscapes.MASKS.labels(np.arange(34, dtype=np.uint8)[None], "m.png")[0]
    assert {CITYSCAPES.names[c]: i for i, c in enumerate(labels) if c != 255} == official


def test_cityscapes_splits(cityscapes_root):
    train, test = (cityscapes.open_split(cityscapes_root, split) for split in ("train", "test"))
    assert [len(cityscapes.open_split(cityscapes_root, split)) for split in ("train", "val", "trainval")] == [6, 2, 8]
    assert train[1].name == "aachen_000002_000019_leftImg8bit"  # by city, then by name
    assert np.array_equal(train[1].labels, drawn(2).labels)
    assert np.array_equal(train[1].image, drawn(2).image)
    assert (test[0].labels == 255).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda image, mask: image.unlink(), "5 images .*expected 6"),
        (lambda image, mask: mask.unlink(), "labelIds.png: No such file"),
        (lambda image, mask: cut(image), "leftImg8bit.png: is cut short"),
        (lambda image, mask: mask.write_bytes(b""), "labelIds.png: is empty"),
    ],
)
def test_cityscapes_is_checked_before_training(cityscapes_root, damage, message):
    stem = "train/aachen/aachen_000000_000019"
    damage(
        cityscapes_root / f"leftImg8bit/{stem}_leftImg8bit.png", cityscapes_root / f"gtFine/{stem}_gtFine_labelIds.png"
    )
    with pytest.raises(DatasetError, match=f"(?s){message}"):
        Cityscapes(cityscapes_root).setup("fit")


def test_a_wrong_id_in_cityscapes_is_found_before_training(cityscapes_root):
    path = cityscapes_root / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
    cv2.imwrite(str(path), np.full((72, 96), 34, np.uint8))
    with pytest.raises(DatasetError, match=r"000000_000019_gtFine_labelIds\.png: holds the value 34.*0-33"):
        Cityscapes(cityscapes_root).setup("fit")


def test_submission_holds_official_ids(tmp_path):
    labels = np.arange(19, dtype=np.uint8)[None].repeat(2, axis=0)
    path = cityscapes.write_submission(tmp_path / "new", "berlin_000000_000019_leftImg8bit", labels)
    assert path.name == "berlin_000000_000019_leftImg8bit.png"
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[1].tolist() == list(CITYSCAPES_IDS)
    with pytest.raises(DatasetError, match="up to 255"):
        cityscapes.write_submission(tmp_path, "x", np.full((2, 2), 255, np.uint8))


def test_data_modules_give_training_and_whole_frame_batches(cityscapes_root):
    data = Cityscapes(cityscapes_root, train_split="trainval", batch_size=3, workers=0,
                      augmentation=Augmentation(crop=(32, 48)))  # fmt: skip
    data.setup("fit")
    data.setup("test")
    images, labels = next(iter(data.train_dataloader()))
    assert (images.shape, images.dtype.is_floating_point) == ((3, 3, 32, 48), False)
    assert (labels.shape, labels.dtype.itemsize) == ((3, 32, 48), 8)
    assert len(data.train_dataloader()) == 8 // 3
    assert data.train_label_counts().sum() == 8 * 70 * 96
    image, truth, names = next(iter(data.val_dataloader()))
    assert np.array_equal(image[0].permute(1, 2, 0), drawn(0).image)
    assert np.array_equal(truth[0], drawn(0).labels)
    assert list(names) == ["aachen_000000_000019_leftImg8bit"]
    assert len(list(data.test_dataloader())) == 3


def test_scenes_are_added_to_training_alone(camvid_root):
    data = CamVid(camvid_root, workers=0, scenes=2)
    data.setup("fit")
    assert [pair.name for pair in data.train_frames][5:] == ["5", "scene1000", "scene1001"]
    assert len(data.val_frames) == 2


def test_streets_need_no_files():
    data = Scenes(train=2, val=1, size=(48, 64), workers=0)
    data.setup("fit")
    assert [pair.labels.shape for pair in data.train_frames] == [(48, 64)] * 2
    assert not {p.name for p in data.train_frames} & {p.name for p in data.val_frames}


def test_what_a_checkpoint_keeps_is_plain(camvid_root):
    kept = CamVid(camvid_root, train_split="trainval", augmentation=Augmentation(paste_classes=("car",))).hparams
    assert (kept["data"], kept["masks"], kept["train_split"]) == ("CamVid", "segnet", "trainval")
    assert kept["augmentation"]["paste_classes"] == ["car"]
    assert "root" not in kept


def test_a_class_that_is_none_cannot_be_pasted(camvid_root):
    with pytest.raises(ValueError, match=r"paste_classes holds \['lorry'\]; expected some of .*'car'"):
        CamVid(camvid_root, augmentation=Augmentation(paste_classes=("car", "lorry")))


@pytest.fixture
def small_camvid(camvid_root):
    def make(**options):
        data = CamVid(camvid_root, batch_size=2, augmentation=Augmentation(crop=(32, 48)), **options)
        data.setup("fit")
        return data

    return make


def same(batches, others):
    pairs = list(zip(batches, others, strict=True))
    return bool(pairs) and all(torch.equal(a, b) for batch, other in pairs for a, b in zip(batch, other, strict=True))


def test_workers_change_nothing(small_camvid):
    here, elsewhere = (list(small_camvid(workers=workers, seed=4).train_dataloader()) for workers in (0, 2))
    assert same(here, elsewhere)
    assert not same(here, small_camvid(workers=0, seed=5).train_dataloader())


@pytest.mark.parametrize(("done", "epoch", "left"), [(0, 0, 3), (4, 1, 2), (6, 2, 3)])
def test_a_run_goes_on_where_it_stopped(small_camvid, done, epoch, left):
    data, resumed = small_camvid(workers=0), small_camvid(workers=0)
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    progress = SimpleNamespace(batch_progress=SimpleNamespace(total=SimpleNamespace(processed=done)))
    resumed.trainer = SimpleNamespace(
        global_rank=0, world_size=1, limit_train_batches=1.0, fit_loop=SimpleNamespace(epoch_loop=progress)
    )
    rest = list(resumed.train_dataloader())
    assert len(rest) == left
    assert same(rest, list(loader)[-left:])


def test_another_number_of_processes_is_not_the_run_to_resume(small_camvid):
    state, resumed = small_camvid(workers=0).state_dict(), small_camvid(workers=2)
    resumed.trainer = SimpleNamespace(global_rank=0, world_size=1, state=SimpleNamespace(fn="fit"))
    assert resumed.load_state_dict(state) is None  # workers may differ
    resumed.trainer.world_size = 2
    with pytest.raises(MisconfigurationException, match=r"processes is 2, was 1; give the same"):
        resumed.load_state_dict(state)
    resumed.trainer.state.fn = "validate"
    assert resumed.load_state_dict(state) is None
