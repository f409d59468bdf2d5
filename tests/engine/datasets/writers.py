"""Small datasets in the published formats, written to a folder; each returns what it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from engine.datasets.bodies import Bodies
from tests.engine.datasets import tiny

Content = dict[str, Any]


def human36m(root: Path, bodies: Bodies) -> Content:
    """S1 has frames 0, 5, 7 and 10 before two cameras, and no fit for frame 10; S9 has
    frames 0, 45 and 50; the others have frame 0.

    The fit of S1's frame 5 is 26 mm off the measured joints, all others 24 mm.
    """
    random = np.random.default_rng(11)
    out: Content = {"frames": {}, "cameras": {}}
    detections = {}
    for number, subject in enumerate((1, 5, 6, 7, 8, 9, 11)):
        cameras = {
            str(camera): {
                "R": Rotation.random(random_state=10 * subject + camera).as_matrix().tolist(),
                "t": [100.0 * camera, -50.0, 9000.0],
                "f": [1145.0, 1144.0],
                "c": [512.0, 515.0],
            }
            for camera in (1, 2)
        }
        frames = {1: (0, 5, 7, 10), 9: (0, 45, 50)}.get(subject, (0,))
        images, fits, joints = [], {}, {}
        marks: list[Content] = []
        for frame in frames:
            fit = tiny.fit(random)
            fit["trans"] = [0.3, 0.1, -0.2]
            vertices, _ = tiny.smpl(bodies.by_gender["neutral"], fit["pose"], fit["shape"], fit["trans"])
            measured = 1000.0 * bodies.human36m @ vertices
            # Two joints moved apart keep the mean: the mean distance is then 2 / 17 of the move.
            apart = 17 / 2 * (26.0 if (subject, frame) == (1, 5) else 24.0)
            measured[3, 0] += apart
            measured[12, 0] -= apart
            joints[str(frame)] = measured.tolist()
            if frame != 10:
                fits[str(frame)] = fit
            out["frames"][subject, frame] = (fit, measured)
            for camera in (1, 2):
                image = 1000 * number + 10 * frame + camera
                name = f"s_{subject:02d}_act_02_subact_01_ca_0{camera}_{frame:06d}.jpg"
                images.append(
                    {
                        "id": image,
                        "file_name": f"folder/{name}",
                        "width": 1000,
                        "height": 1002,
                        "subject": subject,
                        "action_idx": 2,
                        "subaction_idx": 1,
                        "frame_idx": frame,
                        "cam_idx": camera,
                    }
                )
                marks.insert(0, {"id": image, "image_id": image, "bbox": [10.0, 10.0, 300.0, 500.0]})
                if subject in (9, 11) and frame != 45:
                    detections[name] = random.uniform(0, 1000, (17, 3)).tolist()
        out["cameras"][subject] = cameras
        path = root / "annotations" / f"Human36M_subject{subject}"
        tiny.write(path.with_name(f"{path.name}_data.json"), {"images": images, "annotations": marks})
        tiny.write(path.with_name(f"{path.name}_camera.json"), cameras)
        tiny.write(path.with_name(f"{path.name}_joint_3d.json"), {"2": {"1": joints}})
        tiny.write(path.with_name(f"{path.name}_smpl_param.json"), {"2": {"1": fits}})
    out["detections"] = detections
    tiny.write(root / "absnet_output_on_testset.json", detections)
    return out


def coco(root: Path, bodies: Bodies) -> Content:
    """Annotations 1 and 2 fit by 2.9 and 3.1 pixels of the crop; 3 is a crowd, 4 without keypoints, 5 without
    a fit, 6 has a shape coefficient beyond 3, and 7 is narrower than a pixel.
    """
    random = np.random.default_rng(12)
    out: Content = {}
    marks, fits = [], {}
    for key in range(1, 8):
        fit = tiny.fit(random)
        if key == 6:
            fit["shape"][4] = -3.01
        camera = {"s": [150.0, 152.0], "t": [200.0, 240.0]}
        shape = np.zeros(10) if key == 6 else fit["shape"]
        mesh = tiny.smpl(bodies.by_gender["neutral"], fit["pose"], shape)[0]
        fitted = tiny.coco19(bodies.coco, mesh)[:, :2] * camera["s"] + camera["t"]
        low, high = fitted.min(axis=0), fitted.max(axis=0)
        crop = max(high - low - 1.0)
        seen = np.arange(17) != 5
        keypoints = np.column_stack((fitted[:17], np.where(seen, 2, 0)))
        keypoints[:, 1] += (3.1 if key == 2 else 2.9) * crop / 64.0
        keypoints[5, :2] = 0.0  # not annotated: must not count
        marks.append(
            {
                "id": key,
                "image_id": 70 + key % 2,
                "iscrowd": int(key == 3),
                "num_keypoints": 0 if key == 4 else 16,
                "bbox": [1.0, 2.0, 0.9 if key == 7 else 100.0, 200.0],
                "keypoints": keypoints.reshape(-1).tolist(),
            }
        )
        if key != 5:
            fits[str(key)] = {"smpl_param": {"pose": fit["pose"], "shape": fit["shape"]}, "cam_param": camera}
        out[key] = (mesh, fitted)
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in (70, 71)]
    folder = root / "annotations"
    tiny.write(folder / "person_keypoints_train2017.json", {"images": images, "annotations": marks})
    tiny.write(folder / "coco_smplify_train.json", fits)
    return out


def muco(root: Path, bodies: Bodies) -> Content:
    """Image 1 has a far and a near person; image 2's fit is 46 mm off, the others' 44 mm; image 3's person
    has no fit, image 4's a NaN, image 5 nobody.
    """
    random = np.random.default_rng(13)
    # shoulders, elbows, wrists, hips, knees, ankles, pelvis and head of the two joint sets
    shared = {2: 14, 3: 15, 4: 16, 5: 11, 6: 12, 7: 13, 8: 1, 9: 2, 10: 3, 11: 4, 12: 5, 13: 6, 14: 0, 16: 10}
    out: Content = {}
    images = [
        {
            "id": i,
            "file_name": f"{i}.jpg",
            "width": 1200,
            "height": 1200,
            "f": [1500.0, 1490.0],
            "c": [600, 610],
        }
        for i in (1, 2, 3, 4, 5)
    ]
    marks, fits = [], {}
    for key, image in ((10, 1), (11, 1), (20, 2), (30, 3), (40, 4)):
        fit = tiny.fit(random)
        fit["trans"] = [0.1, 0.2, 6.0 if key == 10 else 4.0]
        mesh = tiny.smpl(bodies.by_gender["neutral"], fit["pose"], fit["shape"], fit["trans"])[0]
        measured = random.uniform((-500, -500, 3500), (500, 500, 4500), (21, 3))
        joints = 1000.0 * bodies.human36m @ mesh
        for theirs, ours in shared.items():
            measured[theirs] = joints[ours]
        apart = 14 / 2 * (46.0 if key == 20 else 44.0)
        measured[4, 1] += apart
        measured[9, 1] -= apart
        marks.append(
            {
                "id": key,
                "image_id": image,
                "bbox": [0.0, 0.0, 50.0, 80.0],
                "keypoints_cam": measured.tolist(),
                "keypoints_img": measured[:, :2].tolist(),
            }
        )
        out[key] = 1000.0 * mesh
        if key == 40:
            fit["pose"][5] = float("nan")
        if key != 30:
            fits[str(key)] = fit
    tiny.write(root / "data" / "MuCo-3DHP.json", {"images": images, "annotations": marks})
    tiny.write(root / "data" / "smpl_param.json", fits)
    return out


def amass(root: Path) -> Content:
    """125 frames of CMU, 21 of BMLrub, 12 of BMLhandball, and a collection that is never read."""
    random = np.random.default_rng(14)
    out: Content = {}
    for collection, frames in (("CMU", 125), ("BMLrub", 21), ("BMLhandball", 12), ("KIT", 3)):
        path = root / "data" / collection / "01" / "01_01_poses.npz"
        path.parent.mkdir(parents=True)
        out[collection] = (random.normal(0, 0.4, (frames, 156)), random.normal(0, 2.0, 16))
        np.savez(
            path,
            poses=out[collection][0],
            betas=out[collection][1],
            trans=random.normal(0, 1, (frames, 3)),
            dmpls=np.zeros((frames, 8)),
            gender=np.array("male"),
            mocap_framerate=120.0,
        )
        np.savez(path.with_name("shape.npz"), betas=np.zeros(16))
    return out


def pw3d(root: Path, _bodies: Bodies) -> Content:
    """Two people in two videos; annotations in no order."""
    random = np.random.default_rng(15)
    out: Content = {"fits": {}, "detections": {}}
    lens = {"focal": [1961.0, 1969.0], "princpt": [540.0, 960.0], "R": np.eye(3).tolist(), "t": [0, 0, 0]}
    images, marks, detections = [], [], []
    for number, (video, frame) in enumerate((("walk_00", 1), ("walk_00", 0), ("bus_00", 0))):
        images.append(
            {
                "id": number,
                "file_name": f"image_{frame:05d}.jpg",
                "sequence": video,
                "frame_idx": frame,
                "width": 1080,
                "height": 1920,
                "cam_param": lens,
            }
        )
        for person in (1, 0):
            key = 10 * number + person
            fit = tiny.fit(random, gender=("female", "male")[person])
            fit["shape"][0] = 3.5  # large shapes stay here
            out["fits"][video, person, frame] = (key, fit)
            marks.append(
                {
                    "id": key,
                    "image_id": number,
                    "person_id": person,
                    "bbox": [5.0, 5.0, 100.0, 200.0],
                    "smpl_param": fit,
                    "openpose_result": random.uniform(0, 900, (18, 3)).tolist(),
                }
            )
            pose = random.uniform(0, 900, (17, 3)).tolist()
            out["detections"][key] = np.array(pose)
            detections.append({"annotation_id": key, "image_id": number, "keypoints": pose})
    tiny.write(root / "data" / "3DPW_latest_test.json", {"images": images, "annotations": marks})
    tiny.write(root / "data" / "darkpose_3dpw_testset_output.json", detections)
    return out


def surreal(root: Path, _bodies: Bodies) -> Content:
    random = np.random.default_rng(16)
    out: Content = {}
    for split, count in (("train", 3), ("val", 2)):
        images, marks, detections = [], [], []
        for image in reversed(range(count)):
            fit = tiny.fit(random, gender=("male", "female")[image % 2])
            fit["shape"][3] = 4.0  # stays
            pose = random.uniform(0, 300, (24, 3)).tolist()
            lens = {"focal": [600.0, 600.0], "princpt": [160.0, 120.0]}
            images.append(
                {"id": image, "file_name": f"{image}.jpg", "width": 320, "height": 240, "cam_param": lens}
            )
            joints = np.zeros((24, 3)).tolist()
            marks.append(
                {
                    "id": image + 5,
                    "image_id": image,
                    "bbox": [1, 1, 99, 99],
                    "smpl_param": fit,
                    "joint_cam": joints,
                }
            )
            detections.append({"image_id": image, "annotation_id": image + 5, "keypoints": pose})
            out[split, image] = (fit, np.array(pose))
        tiny.write(root / "data" / f"{split}.json", {"images": images, "annotations": marks})
        tiny.write(root / "data" / f"hrnet_output_on_{split}set.json", detections)
    return out


def freihand(root: Path, _bodies: Bodies) -> Content:
    random = np.random.default_rng(17)
    out: Content = {}
    for split, file in (("train", "train"), ("test", "eval")):
        images, marks, detections, data = [], [], [], {}
        for image in (2, 1):
            lens = {"focal": [480.0, 480.0], "princpt": [112.0, 112.0]}
            entry: Content = {"cam_param": lens, "scale": 0.03}
            if split == "train":
                rotation = Rotation.random(random_state=image).as_matrix()
                lens |= {"R": rotation.tolist(), "t": [0.1, 0.0, 0.7]}
                entry["mano_param"] = {
                    "pose": random.normal(0, 0.5, 48).tolist(),
                    "shape": random.normal(0, 1, 10).tolist(),
                }
                entry["joint_3d"] = random.normal(0, 0.1, (21, 3)).tolist()
            pose = random.uniform(0, 224, (21, 3)).tolist()
            images.append(
                {"id": image, "db_idx": image + 30, "file_name": "x.jpg", "width": 224, "height": 224}
            )
            marks.append({"id": image + 9, "image_id": image, "bbox": [1.0, 1.0, 99.0, 99.0]})
            detections.append({"image_id": image, "annotation_id": image + 9, "keypoints": pose})
            data[str(image + 30)] = entry
            out[split, image] = (entry, np.array(pose))
        folder = root / "data"
        tiny.write(folder / f"freihand_{file}_coco.json", {"images": images, "annotations": marks})
        tiny.write(folder / f"freihand_{file}_data.json", data)
        tiny.write(folder / f"hrnet_output_on_{split}set.json", detections)
    return out
