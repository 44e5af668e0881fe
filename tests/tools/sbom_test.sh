#!/usr/bin/env bash
# The list of what the program is made of (SPDX 2.3, tools/cmake/sbom.cmake) keeps the rules of its format, names every
# library that the program is linked with and every one that is loaded with it, and holds the checksum of the program itself.
list="$2/sbom/voxgrad.spdx.json"
if ! command -v python3 >/dev/null || ! command -v readelf >/dev/null; then
  echo "skipped: wants python3 and readelf"
  exit 77
fi
if [ ! -e "$list" ]; then
  echo "$list: is not there"
  exit 1
fi
python3 - "$list" "$1" "$(command -v dpkg-query)" <<'END'
import hashlib, json, re, subprocess, sys
path, program, debian = sys.argv[1:]
d = json.load(open(path))
bad = []
def wants(right, text):
    if not right: bad.append(text)
wants(d["spdxVersion"] == "SPDX-2.3" and d["dataLicense"] == "CC0-1.0" and d["SPDXID"] == "SPDXRef-DOCUMENT", "is no document of SPDX 2.3")
wants(re.fullmatch(r"https://\S+", d["documentNamespace"]) and "#" not in d["documentNamespace"], "documentNamespace is no address")
wants(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", d["creationInfo"]["created"]), "created is no time in UTC")
wants(all(re.match(r"(Person|Organization|Tool): .", c) for c in d["creationInfo"]["creators"]), "creators are not of the form 'Tool: name'")
extracted = {e["licenseId"] for e in d["hasExtractedLicensingInfos"]}
ids = ["SPDXRef-DOCUMENT"] + [p["SPDXID"] for p in d["packages"]]
wants(len(set(ids)) == len(ids), "an SPDXID comes twice")
loaded = {r["relatedSpdxElement"] for r in d["relationships"] if r["relationshipType"] == "DEPENDS_ON"}  # by other libraries
related = set()
for p in d["packages"]:
    name = p["name"]
    wants(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", p["SPDXID"]), f"{name}: SPDXID {p['SPDXID']}")
    for field in ("versionInfo", "supplier", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"):
        wants(p.get(field), f"{name}: has no {field}")
    wants(p["licenseConcluded"] != "NOASSERTION" or p["SPDXID"] in loaded, f"{name}: its licence is not known to tools/cmake/sbom.cmake")
    for reference in re.findall(r"LicenseRef-[A-Za-z0-9.-]+", p["licenseConcluded"]):
        wants(reference in extracted, f"{name}: {reference} is not explained")
    wants(all(re.fullmatch("[0-9a-f]{64}", c["checksumValue"]) for c in p["checksums"]), f"{name}: is no SHA-256")
    if p.get("sourceInfo"): wants(p["versionInfo"] != "NOASSERTION", f"{name}: has no version")
for r in d["relationships"]:
    wants(r["spdxElementId"] in ids and r["relatedSpdxElement"] in ids, f"a relationship leads nowhere: {r}")
    related.add(r["relatedSpdxElement"])
wants(related == set(ids[1:]), f"have no relationship: {set(ids[1:]) - related}")
own = next(p for p in d["packages"] if p["SPDXID"] == "SPDXRef-voxgrad")
wants(own["checksums"][0]["checksumValue"] == hashlib.sha256(open(program, "rb").read()).hexdigest(), "is of another program: its SHA-256 is another")
names = {p["name"]: p["SPDXID"] for p in d["packages"]}
system = {"m", "c", "ld-linux-x86-64", "ld-linux-aarch64"}  # the C library is the system's
dynamic = subprocess.run(["readelf", "-dW", program], capture_output=True, text=True).stdout
for library in re.findall(r"NEEDED.*\[(?:lib)?(.*?)\.so", dynamic):
    wants(library in names, f"does not name lib{library}, which the program is linked with")
    wants(library in system or names.get(library) not in loaded, f"does not know that the program itself is linked with lib{library}")
found = re.findall(r"^\s*(?:\S+ => )?/\S*/(?:lib)?(\S+?)\.so\S* \(0x", subprocess.run(["ldd", program], capture_output=True, text=True).stdout, re.M)
wants(len(found) > 5, "ldd lists no libraries")
for library in found: wants(library in names, f"does not name lib{library}, which is loaded with the program")
for header in ("CLI", "json", "xxhash", "format"):
    wants(any(p["name"] == header for p in d["packages"]), f"does not name {header}, whose headers are compiled in")
print(*(f"{path}: {text}" for text in bad), sep="\n", end="\n" if bad else "")
sys.exit(bool(bad))
END
