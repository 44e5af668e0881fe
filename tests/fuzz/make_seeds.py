#!/usr/bin/env python3
"""Writes the small files in tests/fuzz/seeds that the fuzz targets begin with: made up, nobody's data.

  python3 tests/fuzz/make_seeds.py PROGRAM tests/fuzz/seeds     PROGRAM: voxgrad, which writes a checkpoint and prepared cases
"""
import gzip
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

program, seeds = Path(sys.argv[1]), Path(sys.argv[2])


def put(target, name, data):
    folder = seeds / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def nifti1(order="<", dims=(2, 3, 2), datatype=4, bits=16, form="sform", offset=352, magic=b"n+1\0", slope=1, inter=0, voxels=None):
    sform = form == "sform"
    qform = form == "qform"
    header = struct.pack(order + "i10s18sihcc", 348, b"", b"", 0, 0, b"r", b"\0")
    dim = [len(dims), *dims] + [1] * (7 - len(dims))
    header += struct.pack(order + "8h3f4h8f", *dim, 0, 0, 0, 0, datatype, bits, 0, 1, 1, 2, 1.5, 1, 1, 1, 1)
    header += struct.pack(order + "3fh2B4f2i80s24s", offset, slope, inter, 0, 0, 2, 0, 0, 0, 0, 0, 0, b"", b"")
    header += struct.pack(order + "2h6f12f16s4s", qform, sform, 0, 0, 1, -1, 2, 0, -1, 0, 0, 0, 0, -1, 0, 2, 0, 0, 1, 0, b"", magic)
    count = 1
    for n in dims:
        count *= n
    return header, voxels if voxels is not None else bytes(i % 3 for i in range(count * bits // 8))


def nifti2(order="<"):
    header = struct.pack(order + "i8s2h8q3d8d", 540, b"n+2\0\r\n\x1a\n", 16, 32, 3, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
    header += struct.pack(order + "q2d2d2d2q80s24s2i", 544, 1, 0, 0, 0, 0, 0, 0, 0, b"", b"", 0, 1)
    header += struct.pack(order + "6d12d3i16sc15s", 0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 1, 0, 0, 1, 0, 0, 2, 0, b"", b"\0", b"")
    return header, struct.pack(order + "8f", *range(8))


def volumes():
    plain = {
        "sform_int16": nifti1(),
        "qform_big_endian": nifti1(order=">", form="qform"),
        "pixdim_uint8": nifti1(form="none", datatype=2, bits=8),
        "scaled_float64": nifti1(datatype=64, bits=64, slope=0.5, inter=1),
        "trailing_axes": nifti1(dims=(2, 2, 2, 1, 1)),
        "four_volumes": nifti1(dims=(2, 2, 2, 4)),
        "claims_two_to_the_forty": nifti1(dims=(32767, 32767, 1024), voxels=b"1"),
        "nifti2": nifti2(),
        "nifti2_big_endian": nifti2(">"),
    }
    for name, (header, voxels) in plain.items():
        whole = header + bytes(4) + voxels
        put("nifti", name, whole)
        put("nifti_gz", name, gzip.compress(whole, mtime=0))
    put("nifti_gz", "two_members", gzip.compress(b"".join(nifti1()[:1]), mtime=0) + gzip.compress(bytes(4) + nifti1()[1], mtime=0))
    put("nifti_gz", "bomb", gzip.compress(b"".join((nifti1()[0], bytes(4), nifti1()[1], bytes(1 << 20))), mtime=0))
    for name in ("sform_int16", "scaled_float64", "pixdim_uint8"):
        header, voxels = plain[name]
        put("nifti_labels", name, header + bytes(4) + voxels)
    header, voxels = nifti1(offset=0, magic=b"ni1\0")
    put("nifti_pair", "int16", header + bytes(540 - len(header)) + voxels)


def tensors():
    def file(header, data=b""):
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    one = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}
    put("safetensors", "two", file({"a": one, "b": {"dtype": "I64", "shape": [], "data_offsets": [8, 16]}, "__metadata__": {"k": "v"}}, bytes(16)))
    put("safetensors", "nothing", file({}))
    put("safetensors", "overflow", file({"a": {"dtype": "F64", "shape": [1 << 62, 8], "data_offsets": [0, 0]}}))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def run(*words):
            subprocess.run([program, *map(str, words)], check=True, cwd=folder, stdout=subprocess.DEVNULL)

        run("synth", "-o", "raw", "--cases", 3, "--size", 24, 24, 24)
        run("prepare", "-i", "raw", "-o", "cache", "--recipe", "zscore", "--size", 8)
        run("train", "-i", "cache", "-o", "run", "--widths", 1, 1, 1, "--folds", 3, "--epochs", 1, "--tensorboard", "off")
        case = sorted((folder / "cache").glob("*.safetensors"))[0].read_bytes()
        put("prepared_case", "zscore", case)
        last = (folder / "run" / "last.safetensors").read_bytes()
        put("checkpoint", "last", last)
        # The same description without the tensors: what claims much and holds nothing.
        length = struct.unpack("<Q", last[:8])[0]
        meta = json.loads(last[8 : 8 + length])["__metadata__"]
        unet = json.loads(meta["unet"])
        put("checkpoint", "claims_huge_widths", file({"__metadata__": dict(meta, unet=json.dumps(dict(unet, widths=[60000] * 3)))}))
        put("checkpoint", "claims_widths_that_overflow", file({"__metadata__": dict(meta, unet=json.dumps(dict(unet, widths=[1 << 40] * 3)))}))
        put("run_log", "run", (folder / "run" / "log.jsonl").read_bytes())
        length = struct.unpack("<Q", case[:8])[0]
        header = json.loads(case[8 : 8 + length])
        for name, key, value in (
            ("source_that_overflows", "source_geometry", '{"size":[-9223372036854775808,1,1],"spacing_mm":[1,1,1],"affine":[1,0,0,0,0,1,0,0,0,0,1,0]}'),
            ("id_that_is_a_path", "id", "../../elsewhere"),
        ):
            put("prepared_case", name, file(dict(header, __metadata__=dict(header["__metadata__"], **{key: value})), case[8 + length :]))


def lists():
    put("json", "all", '{"a":[1,-2,3.5e-3,true,null,"x\\u00e9\\n"],"b":{"c":18446744073709551615}}')
    put("json", "deep", "[" * 600)
    put("json", "twice", '{"a":1,"a":{"a":[]}}')
    put("splits", "two", '[{"train":["b","a"],"val":["c"]},{"train":["c"],"val":[]}]')
    put("dataset_json", "two", '{"channel_names":{"0":"FLAIR","1":"T1w","2":"t1gd","3":"T2w"},"labels":{"background":0,"edema":1,"enhancing tumor":[3]},"numTraining":1,"file_ending":".nii.gz"}')
    put("dataset_json", "one", '{"modality":{"0":"T1"},"labels":{"0":"background","1":"edema"},"training":[{"image":"./imagesTr/a.nii.gz","label":"b"}],"test":["./imagesTs/c.nii.gz"]}')
    put("case_list_csv", "quoted", 'id,t1,t1ce,t2,flair,seg\na,"x, y.nii",b,c,d,\n"b ""q""",,../c,/d,e,f\n')
    put("case_list_csv", "control_character", "id,t1\n\x1b]0;owned\x07,a\n")
    put("case_list_json", "two", '{"cases":[{"id":"a","t1":"x.nii","seg":null},{"id":"b","flair":"../y.nii"}]}')
    put("case_list_json", "nul", '[{"id":"a\\u0000b","t1":"x"}]')
    put("case_list_json", "nul_in_path", '[{"id":"a","t1":"x\\u0000.nii"}]')
    put("postprocess", "rules", '{"connectivity":18,"keep_largest":{"WT":true},"min_component_mm3":{"WT":100},"min_enhancing_mm3":50,"fill_holes":{"TC":true}}')
    put("config", "all", "train.batch=3\nlr = 1e-3\nname = ['a', \"b\\u00e9\"]\n[train]\nresume = true\n[check]\n")
    put("config", "dates", "batch=1\nlr = 1979-05-27T07:32:00Z\nx = {a = [1, [2]]}\n")
    put("run_log", "short", '{"type":"start","program":"v","device":"cpu"}\n{"type":"step","step":1,"epoch":1,"loss":1}\n{"type":"epoch","epoch":1,"step":1,"dice":{"WT":0.5,"TC":null,"ET":1}}\n{"cut')
    put("nnunet_plans", "architecture", (Path(__file__).parent.parent / "golden/nnunet_import/regions_plans.json").read_bytes())
    put("nnunet_plans", "circle", '{"configurations":{"3d_fullres":{"inherits_from":"a"},"a":{"inherits_from":"3d_fullres"}}}')
    for name, text in (("conv", "16-32@128^3k1s2"), ("two", "16+16-16@64^3"), ("box", "1@155x240x240"), ("huge", "99999999999999999999@1^3")):
        put("kernel_shape", name, text)
    put("keras", "not_hdf5", "\x89HDF\r\n\x1a\n")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def events():
    def masked(data):
        crc = crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    def record(message):
        length = struct.pack("<Q", len(message))
        return length + masked(length) + message + masked(message)

    version = b"\x09" + struct.pack("<d", 1) + b"\x1a\x0dbrain.Event:2"
    scalar = b"\x09" + struct.pack("<d", 2) + b"\x10\x03" + b"\x2a\x0a" + b"\x0a\x08\x0a\x01a\x15" + struct.pack("<f", 0.5)
    put("event_file", "two", record(version) + record(scalar))
    put("event_file", "cut", (record(version) + record(scalar))[:-3])
    huge = struct.pack("<Q", 1 << 62)
    put("event_file", "claims_much", record(version) + huge + masked(huge))


volumes()
tensors()
lists()
events()


def keras():
    import h5py  # files of HDF5 whose numbers lie elsewhere

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.h5"

        def write(name, fill):
            with h5py.File(path, "w", libver="earliest") as file:
                fill(file)
            put("keras", name, path.read_bytes())

        def stored(file):
            group = file.create_group("layers/conv3d/vars")
            group.create_dataset("0", (3, 3, 3, 1, 2), "<f4", external=[("secret.bin", 0, 216)])

        def virtual(file):
            layout = h5py.VirtualLayout((3, 3, 3, 1, 2), "<f4")
            layout[:] = h5py.VirtualSource("secret.h5", "x", (3, 3, 3, 1, 2))
            file.create_group("layers/conv3d/vars").create_virtual_dataset("0", layout)

        write("linked.h5", lambda file: file.update({"layers": h5py.ExternalLink("three.weights.h5", "/layers")}))
        write("stored_elsewhere.h5", stored)
        write("claims_much.h5", lambda file: file.create_dataset("layers/conv3d/vars/0", (1 << 10, 1 << 10, 1 << 9, 1, 2), "<f4", chunks=(64, 64, 64, 1, 2)))
        with h5py.File(path, "w", libver=("v110", "v110")) as file:
            virtual(file)
        put("keras", "virtual.h5", path.read_bytes())


keras()
