#include "data/synth/faults.h"

#include <nifti1.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <iterator>
#include <limits>

#include "data/nifti/nifti.h"
#include "engine/atomic_file.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

void write_all(const fs::path& path, std::span<const char> bytes) {
  AtomicFile file(path);
  file.write(std::as_bytes(bytes));
  file.commit();
}

/// The file uncompressed, as .nii, with its header changed.
void edit_header(const CasePlace& place, const std::string& stem, const std::function<void(nifti_1_header&)>& edit) {
  const fs::path packed = place.file(stem + ".nii.gz");
  const fs::path plain = place.file(stem + ".nii");
  if (stem == "seg") {
    write_nifti(plain, read_nifti_labels(packed).labels);
  } else {
    write_nifti_int16(plain, read_nifti(packed).image);
  }
  fs::remove(packed);
  std::string bytes = read_file(plain);
  nifti_1_header header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  edit(header);
  std::memcpy(bytes.data(), &header, sizeof header);
  write_all(plain, bytes);
}

void set_labels(LabelMap& labels, std::uint8_t from, std::uint8_t to) {
  std::replace(labels.values.begin(), labels.values.end(), from, to);
}

Image& image_of(Phantom& p, Modality m) { return p.images[static_cast<std::size_t>(m)]; }

void mirror_left_right(Image& image) {
  const std::int64_t width = image.geometry.size[2];
  for (auto row = image.values.begin(); row != image.values.end(); row += width) { std::reverse(row, row + width); }
}

/// Zero in the back third of the brain.
void cut_back(Image& image) {
  const auto& size = image.geometry.size;
  for (std::int64_t d = 0; d < size[0]; ++d) {
    for (std::int64_t h = size[1] * 58 / 100; h < size[1]; ++h) {
      const auto row = image.values.begin() + image.index(d, h, 0);
      std::fill(row, row + size[2], 0.0F);
    }
  }
}

void drop_top_slice(Image& image) {
  --image.geometry.size[0];
  image.values.resize(static_cast<std::size_t>(image.geometry.voxels()));
}

/// As a scanner delivers it: noise where there is no head.
void add_noise(Phantom& p) {
  for (Image& image : p.images) {
    for (std::size_t v = 0; v < image.values.size(); ++v) {
      if (image.values[v] == 0) { image.values[v] = static_cast<float>(1 + v % 7); }
    }
  }
}

/// What is wrong with the voxels, before anything is written. False when the fault is in the files.
bool damage_voxels(Check check, Phantom& p) {
  switch (check) {
    case Check::shape_mismatch:
      drop_top_slice(image_of(p, Modality::t2));
      return true;
    case Check::affine_mismatch:
      image_of(p, Modality::t2).geometry.affine[3] += 5;
      return true;
    case Check::constant_image: {
      auto& values = image_of(p, Modality::flair).values;
      std::fill(values.begin(), values.end(), 0.0F);
      return true;
    }
    case Check::negative_values: {
      auto& values = image_of(p, Modality::t1).values;
      *std::max_element(values.begin(), values.end()) = -5;
      return true;
    }
    case Check::same_image_twice:
      image_of(p, Modality::t1ce) = image_of(p, Modality::t1);
      return true;
    case Check::partial_coverage:
      cut_back(image_of(p, Modality::flair));
      return true;
    case Check::flipped_image:
      mirror_left_right(image_of(p, Modality::t2));
      return true;
    case Check::brain_fills_volume:
      add_noise(p);
      return true;
    case Check::unknown_label:
      set_labels(p.labels, 1, 7);
      return true;
    case Check::labels_all_background:
      std::fill(p.labels.values.begin(), p.labels.values.end(), std::uint8_t{0});
      return true;
    case Check::labels_outside_brain:
      p.labels.values.front() = 2;
      return true;
    case Check::labels_of_brats2023:
      set_labels(p.labels, 4, 3);
      return true;
    case Check::no_enhancing_tumour:
    case Check::lost_by_tutorial_crop:
    case Check::below_tumour_rule:
    case Check::same_case_twice:
      return true;  // options_for() has seen to it
    default:
      return false;
  }
}

void truncate_file(const fs::path& path) {
  const auto bytes = read_file(path);
  write_all(path, std::span(bytes).first(bytes.size() / 2));
}

void edit_headers(const CasePlace& place, const std::function<void(nifti_1_header&)>& edit) {
  for (const std::string stem : {"t1", "t1ce", "t2", "flair", "seg"}) { edit_header(place, stem, edit); }
}

/// The labels as BraTS 2023 and later call them: there, a 4 is no enhancing tumour.
void hyphenate_labels(const CasePlace& place) { fs::rename(place.labels(), place.folder / (place.id + "-seg.nii.gz")); }

void copy_to_another_folder(const CasePlace& place) {
  const fs::path other = place.folder.string() + "_again";
  make_folders(other);
  const fs::path file = place.image(Modality::t1);
  fs::copy_file(file, other / file.filename(), fs::copy_options::overwrite_existing);
}

void write_image_with_nan(const CasePlace& place, Phantom& p) {
  Image& t1 = image_of(p, Modality::t1);
  *std::max_element(t1.values.begin(), t1.values.end()) = std::numeric_limits<float>::quiet_NaN();
  write_nifti(place.image(Modality::t1), t1);
}

void write_labels_with_half(const CasePlace& place, const Phantom& p) {
  Image labels{p.labels.geometry, LargeVector<float>(p.labels.values.begin(), p.labels.values.end())};
  *std::max_element(labels.values.begin(), labels.values.end()) = 2.5F;
  write_nifti(place.labels(), labels);
}

/// What is wrong with the files of a sound case.
void damage_files(Check check, const CasePlace& place, Phantom& p) {
  switch (check) {
    case Check::missing_modality:
      fs::remove(place.image(Modality::t2));
      return;
    case Check::unreadable:  // a header that sends the reader to an .img file
      return edit_header(place, "t1ce", [](nifti_1_header& h) { std::memcpy(h.magic, "ni1", 4); });
    case Check::not_nifti:
      return write_all(place.image(Modality::t1), std::string_view("This is not a scan.\n"));
    case Check::damaged:
      return truncate_file(place.image(Modality::flair));
    case Check::not_one_volume:
      return edit_header(place, "t1", [](nifti_1_header& h) { h.dim[0] = 4, h.dim[4] = 2; });
    case Check::unsupported_type:
      return edit_header(place, "t2", [](nifti_1_header& h) { h.datatype = DT_COMPLEX64; });
    case Check::bad_geometry:
      return edit_header(place, "flair", [](nifti_1_header& h) { h.srow_x[0] = 0; });
    case Check::two_files:
      return write_nifti_int16(place.file("t1.nii"), image_of(p, Modality::t1));
    case Check::two_folders:
      return copy_to_another_folder(place);
    case Check::no_orientation:
      return edit_headers(place, [](nifti_1_header& h) { h.qform_code = h.sform_code = 0; });
    case Check::unit_unknown:
      return edit_headers(place, [](nifti_1_header& h) { h.xyzt_units = NIFTI_UNITS_UNKNOWN; });
    case Check::odd_voxel_size:
      return edit_headers(place, [](nifti_1_header& h) { h.xyzt_units = NIFTI_UNITS_METER; });
    case Check::non_finite:
      return write_image_with_nan(place, p);
    case Check::no_labels:
      fs::remove(place.labels());
      return;
    case Check::labels_ambiguous:
      return hyphenate_labels(place);
    case Check::labels_not_integers:
      return write_labels_with_half(place, p);
    case Check::misnamed_file:
      return fs::rename(place.labels(), place.folder / "W39_1998.09.19_Segm.nii.gz");  // as BraTS 2020's case 355
    default:
      VOX_FAIL("damage_files: nothing plants {}", code_of(check).code);
  }
}

}  // namespace

void write_phantom(const CasePlace& place, const Phantom& p) {
  make_folders(place.folder);
  for (const Modality m : kModalities) { write_nifti_int16(place.image(m), p.images[static_cast<std::size_t>(m)]); }
  write_nifti(place.labels(), p.labels);
}

PhantomOptions options_for(Check check, const PhantomOptions& sound) {
  PhantomOptions o = sound;
  switch (check) {
    case Check::no_enhancing_tumour:
      o.enhancing = false;
      break;
    case Check::lost_by_tutorial_crop:  // the crop needs a volume of BraTS' size; in front of it there is brain left
      o.size = {155, 240, 240};
      o.tumour_centre_mm = {18, -56, 8};
      break;
    case Check::below_tumour_rule:
      o.tumour_radius_mm = 12;
      break;
    case Check::same_case_twice:
      o.case_index = 0;  // as Synth_001, which comes first
      break;
    default:
      break;
  }
  return o;
}

void write_faulty(Check check, const CasePlace& place, Phantom phantom) {
  const bool done = damage_voxels(check, phantom);
  write_phantom(place, phantom);
  if (!done) { damage_files(check, place, phantom); }
}

}  // namespace vox
