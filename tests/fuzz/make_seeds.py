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


    two = nifti1(dims=(2, 2, 2, 2), datatype=2, bits=8)
    put("nifti_volumes", "two", two[0] + bytes(4) + two[1])
    image = plain["sform_int16"][0] + bytes(4) + bytes(range(24))
    labels = [nifti1(datatype=2, bits=8, voxels=bytes(n)) for n in ([0, 1, 2, 4] * 3, [0, 0, 2, 4, 1, 1] * 2)]
    labels = [header + bytes(4) + voxels for header, voxels in labels]
    put("case", "sound", two_parts(image, labels[0]))
    put("case", "other_grid", two_parts(image, plain["nifti2"][0] + bytes(4) + plain["nifti2"][1]))
    four = nifti1(dims=(2, 2, 2, 4), datatype=2, bits=8, voxels=bytes(i * 7 % 11 for i in range(32)))
    three = nifti1(dims=(2, 2, 2), datatype=2, bits=8, voxels=bytes([0, 1, 2, 4, 0, 1, 2, 4]))
    put("case_volumes", "sound", two_parts(four[0] + bytes(4) + four[1], three[0] + bytes(4) + three[1]))
    wide = nifti1(dims=(2, 2, 2), datatype=4, bits=16, slope=2, voxels=struct.pack("<8h", 0, 1, 2, 4, 0, 0, 2, 4))
    put("case_volumes", "other_type", two_parts(four[0] + bytes(4) + four[1], wide[0] + bytes(4) + wide[1]))
    said = '{"channel_names":{"0":"T1"},"labels":{"background":0,"necrosis":1,"edema":2,"enhancing tumor":4},"numTraining":1,"file_ending":".nii"}'
    for name, head in (
        ("brats2020", "BraTS20_001\nBraTS20_002\n"),
        ("brats2024", "BraTS-GLI-00001-seg\nBraTS-MEN-RT-1\n"),
        ("ped", "BraTS-PED-00001-000-seg\nx\n"),
        ("msd", "BRATS_001\nBRATS_002\n"),
        ("others", "a\nb\n"),
        ("stated", "a\nb\n" + said),
        ("cavity", "a\nb\n" + said.replace('"enhancing tumor":4', '"enhancing tumor":3,"resection cavity":4')),
        ("ped_stated", "a\nb\n" + said.replace('"necrosis":1,"edema":2,"enhancing tumor":4', '"enhancing tumor":1,"necrosis":[2,3],"edema":4')),
    ):
        put("editions", name, two_parts(head.encode(), two_parts(*labels)))
    threes = [label[:-24] + bytes([3 if v == 4 else v for v in label[-24:]]) for label in labels]
    put("editions", "of_2023", two_parts(b"BraTS-GLI-00001-seg\nBRATS_002\n", two_parts(*threes)))
    put("editions", "both", two_parts(b"a\nb\n", two_parts(threes[0], labels[0][:-12] + threes[0][-12:])))
    put("masks", "two", two_parts(*labels))
    put("masks", "scaled", two_parts(labels[0], plain["scaled_float64"][0] + bytes(4) + plain["scaled_float64"][1]))


def two_parts(first, second):
    return struct.pack("<H", len(first)) + first + second


def folders():
    dataset = '{"channel_names":{"0":"T1","1":"T1ce","2":"T2","3":"FLAIR"},"labels":{"background":0,"edema":2},"numTraining":1,"file_ending":".nii.gz"}'
    put("folder", "brats", "a/a_t1.nii.gz\na/a_t1ce.nii.gz\na/a_seg.nii.gz\nb-t1n.nii\nb-seg.nii\nc/W39_1998_Segm.nii\nc/c_flair.nii\n")
    put("folder", "nnunet", f"imagesTr/a_0000.nii.gz\nimagesTr/a_0003.nii.gz\nlabelsTr/a.nii.gz\ndataset.json\t{dataset}\n")
    put("folder", "msd", f"imagesTr/a.nii.gz\nlabelsTr/a.nii.gz\nimagesTs/b.nii.gz\ndataset.json\t{dataset}\n")
    put("folder", "bids", "sub-1/anat/sub-1_T1w.nii\nsub-1/ses-2/anat/sub-1_ses-2_ce-gd_T1w.nii.gz\nderivatives/x/sub-1_dseg.nii\ndseg.tsv\tindex\n")
    put("folder", "series", "seed1/fold0/log.jsonl\t{}\nseed1/fold1/log.jsonl\nseed2/log.jsonl\nfold0/log.jsonl\n")
    put("folder", "foreign", "x.dcm\ny.mha\nz\tDICM\n")
    put("bids_labels", "three", "index\tname\n1\tnecrosis\n2\tedema\n4\tenhancing tumor\n")
    put("bids_labels", "quoted", 'name\tindex\tcolour\n"a ""b""\tc"\t007\t\n')


def tensors():
    def file(header, data=b""):
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # as the writer does: tensors are aligned
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
        best = without_optimizer((folder / "run" / "best.safetensors").read_bytes(), file)
        put("checkpoint", "best", best)
        put("weights", "ours", best)
        log = (folder / "run" / "log.jsonl").read_bytes()
        put("two_runs", "run", log + b"\x1e" + log.replace(b'"loss":1.', b'"loss":2.'))
        options = json.loads(meta["options"])
        changed = json.dumps(dict(options, lr=0.5, seed=7)).encode()
        put("two_runs", "cases", b"\x1e".join([validated(0.1), validated(0.23), meta["options"].encode(), changed]))
        put("two_runs", "scores_without_end", b"\x1e".join([validated(1.7e308)] * 2))
        put("report", "run", log + b"\x1e" + DATA.encode() + b"\x1e" + PICTURES.encode() + b'\x1e{"program":"v","ranks":[1,{"a":2}]}')
        put("run_log", "run", (folder / "run" / "log.jsonl").read_bytes())
        length = struct.unpack("<Q", case[:8])[0]
        header = json.loads(case[8 : 8 + length])
        for name, key, value in (
            ("source_that_overflows", "source_geometry", '{"size":[-9223372036854775808,1,1],"spacing_mm":[1,1,1],"affine":[1,0,0,0,0,1,0,0,0,0,1,0]}'),
            ("id_that_is_a_path", "id", "../../elsewhere"),
        ):
            put("prepared_case", name, file(dict(header, __metadata__=dict(header["__metadata__"], **{key: value})), case[8 + length :]))
        native = dict(header["__metadata__"], recipe="native", recipe_spacing_mm="1,1.5,2", grid="[8,8,8]")
        put("prepared_case", "native", file(dict(header, __metadata__=native), case[8 + length :]))
        put("prepared_case", "bf16", as_bf16(header, case[8 + length :], file))
    put("weights", "zip", b"PK\x03\x04" + bytes(26) + b"archive/data.pkl")
    put("weights", "pickle", b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01.")
    put("weights", "pickle_of_protocol_0", b"ccollections\nOrderedDict\np0\n(tRp1\n.")
    put("weights", "nnunet", nnunet_weights(file))


def validated(scale):
    """A log whose six cases have these Dice."""
    def dice(i):
        return {"WT": scale * i / 2, "TC": scale * (i * i % 5) / 2, "ET": scale * (i * 3 % 4) / 2}

    cases = [{"id": f"c{i}", "dice": dice(i)} for i in range(6)]
    line = {"type": "epoch", "epoch": 1, "seconds": 2, "dice": dice(1), "all_background": {"dice": dice(0)}, "cases": cases}
    return json.dumps(line).encode() + b"\n"


def without_optimizer(checkpoint, file):
    length = struct.unpack("<Q", checkpoint[:8])[0]
    header, data, kept = json.loads(checkpoint[8 : 8 + length]), checkpoint[8 + length :], b""
    for name in list(header):
        if name.startswith("adam."):
            del header[name]
        elif name != "__metadata__":
            begin, end = header[name]["data_offsets"]
            header[name]["data_offsets"] = [len(kept), len(kept) + end - begin]
            kept += data[begin:end]
    return file(header, kept)


def as_bf16(header, data, file):
    """A prepared case with an image of two bytes a value: the upper ones."""
    header, kept = json.loads(json.dumps(header)), b""
    for name in sorted(header.keys() - {"__metadata__"}, key=lambda n: header[n]["data_offsets"]):
        begin, end = header[name]["data_offsets"]
        tensor = data[begin:end]
        if name == "image":
            header[name]["dtype"] = "BF16"
            tensor = bytes(b for i, b in enumerate(tensor) if i % 4 >= 2)
        header[name]["data_offsets"] = [len(kept), len(kept) + len(tensor)]
        kept += tensor
    return file(header, kept)


def nnunet_weights(file):
    """Of a network of three levels of width 1, four images and three regions, as nnU-Net names them."""
    shapes = {}

    def block(name, channels):
        for i in range(2):
            shapes[f"{name}.convs.{i}.conv.weight"] = [1, channels if i == 0 else 1, 3, 3, 3]
            for tensor in ("conv.bias", "norm.weight", "norm.bias"):
                shapes[f"{name}.convs.{i}.{tensor}"] = [1]

    for level in range(3):
        block(f"encoder.stages.{level}.0", 4 if level == 0 else 1)
    for i in range(2):
        shapes[f"decoder.transpconvs.{i}.weight"] = [1, 1, 2, 2, 2]
        shapes[f"decoder.transpconvs.{i}.bias"] = [1]
        block(f"decoder.stages.{i}", 2)
        shapes[f"decoder.seg_layers.{i}.weight"] = [3, 1, 1, 1, 1]
        shapes[f"decoder.seg_layers.{i}.bias"] = [3]
    header, at = {}, 0
    for name, shape in shapes.items():
        count = 4
        for n in shape:
            count *= n
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + count]}
        at += count
    return file(header, bytes(at))


DATA = '{"cases":[{"id":"a","set":"train","size":[8,8,8],"spacing_mm":[1,1,2.5],"ml":{"edema":1.5}},{"id":"b","set":"validation","size":[8,8,8],"spacing_mm":[1,1,1]}]}'
PICTURES = '{"epoch":1,"cases":[{"id":"a","title":"worst","slices":[]}]}'
PTX = """.version 8.8
.target sm_80
.address_size 64
.const .align 4 .b8 table[8] = {1, 2, 3, 4};
.extern .shared .align 16 .b8 dynamic[];
.func (.param .b32 out) twice(.param .b32 in)
{
	.reg .b32 %r<3>;
	ld.param.u32 %r1, [in];
	add.s32 %r2, %r1, %r1;
	st.param.b32 [out], %r2;
	ret;
}
.visible .entry kernel(.param .u64 kernel_param_0, .param .align 8 .b8 kernel_param_1[16])
{
	.reg .pred %p<2>;
	.reg .b32 %r<4>;
	.reg .f32 %f<3>;
	.reg .b64 %rd<3>;
	.shared .align 4 .b8 own[64];
	ld.param.u64 %rd1, [kernel_param_0];
	mov.u32 %r1, %tid.x;
	setp.ge.s32 %p1, %r1, 32;
	@%p1 bra $L__BB0_2;
	mul.wide.s32 %rd2, %r1, 4;
	ld.global.v2.f32 {%f1, %f2}, [%rd1+8];
	fma.rn.f32 %f1, %f1, 0f3F800000, %f2;
	{
	.param .b32 param0;
	st.param.b32 [param0], %r1;
	.param .b32 retval0;
	call.uni (retval0), twice, (param0);
	ld.param.b32 %r2, [retval0];
	}
$L__BB0_2:
	ret;
}
"""


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
    plans = (Path(__file__).parent.parent / "golden/nnunet_import/regions_plans.json").read_text()
    put("nnunet_plans", "slope", plans.replace('"inplace": true', '"inplace": true, "negative_slope": 0.1'))
    put("nnunet_plans", "circle", '{"configurations":{"3d_fullres":{"inherits_from":"a"},"a":{"inherits_from":"3d_fullres"}}}')
    for name, text in (("conv", "16-32@128^3k1s2"), ("two", "16+16-16@64^3"), ("box", "1@155x240x240"), ("huge", "99999999999999999999@1^3")):
        put("kernel_shape", name, text)
    put("report", "no_limit", '{"type":"start","epochs":1,"memory":{"limit_bytes":18446744073709551615}}\n{"type":"step","step":1,"epoch":1,"loss":1}\n')
    put("ptx", "kernel", PTX)
    body = ".visible .entry k()\n{\n%s\n}\n"
    for name, text in (
        ("no_end", ".visible .entry k()\n{\n.reg .b32 %r<2>;\n"),
        ("register_outside", ".reg .b32 %r<2>;\n"),
        ("alignment_of_0", ".visible .entry k(.param .pred .align 0 p)\n{\nret;\n}\n"),
        ("more_values_than_room", ".const .align 4 .b32 t[1] = {1, 2, 3};\n"),
        ("predicate_alone", body % ".reg .pred p;\n@p;"),
        ("branch_to_nowhere", body % "bra;"),
        ("call_of_nothing", body % "call.uni;"),
        ("too_many_registers", body % ".reg .b32 %r<400000000>;"),
        ("no_semicolon", ".global .b8 t[1] = {1"),
        ("overflow", ".shared .align 0 .b8 t[18446744073709551615];\n"),
    ):
        put("ptx", name, text)
    put("fabric", "measured", '{"ranks":{"ranks":[{},{}],"collectives":[{"rows":[{"call":"all-gather","bytes":8,"seconds":1e-5},{"call":"all-to-all","bytes":1024,"seconds":0.01,"bytes_per_second":1e9}]}]}}')
    put("keras_bytes", "tutorial", keras_bytes(False))
    put("keras_bytes", "batch_norm", keras_bytes(True))
    put("keras_bytes", "claims_much", struct.pack("<dQBQ", 1e-3, 1, 0, 1 << 62))
    put("keras", "not_hdf5", "\x89HDF\r\n\x1a\n")


def keras_bytes(norm):
    """What the confined process answers of a network of three levels of width 1."""
    def layer(kind, *shapes):
        data = struct.pack("<BQ", kind, 1) + b"l" + struct.pack("<Q", len(shapes))
        for shape in shapes:
            count = 4
            for n in shape:
                count *= n
            data += struct.pack(f"<Q{len(shape)}q", len(shape), *shape) + bytes(count)
        return data

    def block(channels):
        return [layer(0, (3, 3, 3, c, 1), (1,)) + (layer(2, (1,), (1,), (1,), (1,)) if norm else b"") for c in (channels, 1)]

    layers = block(3) + block(1) * 2 + [layer(1, (2, 2, 2, 1, 1), (1,)), *block(2)] * 2 + [layer(0, (1, 1, 1, 1, 4), (4,))]
    return struct.pack("<dQ", 1e-3, len(layers) + (10 if norm else 0)) + b"".join(layers)


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
    picture = b"\x0a\x01p\x22\x09\x08\x01\x10\x01\x18\x03\x22\x01x"
    image = b"\x09" + struct.pack("<d", 2) + b"\x10\x03\x2a" + bytes([len(picture) + 2]) + b"\x0a" + bytes([len(picture)]) + picture
    put("event_file", "picture", record(version) + record(image))
    put("event_file", "two", record(version) + record(scalar))
    put("event_file", "cut", (record(version) + record(scalar))[:-3])
    huge = struct.pack("<Q", 1 << 62)
    put("event_file", "claims_much", record(version) + huge + masked(huge))


volumes()
folders()
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


try:
    keras()
except ModuleNotFoundError:
    print("make_seeds.py: no h5py: keras' seeds are not made", file=sys.stderr)
