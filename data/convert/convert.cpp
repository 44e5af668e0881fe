#include "data/convert/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "data/cases/dataset_json.h"
#include "data/check/read_classes.h"
#include "data/check/same_place.h"
#include "data/nifti/copy.h"
#include "data/nifti/header.h"
#include "engine/atomic_file.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "kernels/base/parallel.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

// nnU-Net's channels, in the order of our modalities; those of Task01 of the Decathlon, in its order.
constexpr std::array<const char*, 4> kChannels{"T1", "T1ce", "T2", "FLAIR"};
constexpr std::array<Modality, 4> kMsdOrder{Modality::flair, Modality::t1, Modality::t1ce, Modality::t2};
constexpr std::array<const char*, 4> kMsdChannels{"FLAIR", "T1w", "t1gd", "T2w"};

/// A case and what is known of its labels.
struct Job {
  const CaseFiles* files = nullptr;
  bool labelled = false;
  bool keep_labels = false;  ///< the numbers of the file are those to be written
  std::int64_t cavity = 0;
  LabelConvention write = LabelConvention::msd;
};

std::int64_t volumes_of(const CaseFiles& c) { return std::max<std::int64_t>(c.volumes, 1); }

LabelConvention written(CaseLayout to, const CaseFiles& c) {
  return to == CaseLayout::brats ? convention_for_output(family_of(c.id, false)) : LabelConvention::msd;
}

void examine_images(const CaseFiles& c) {
  for (const Clash& k : c.clashes) {
    VOX_FAIL_DATA("'{}' and '{}' are the same {}", k.file.string(), k.other.string(), k.two_folders ? "case" : "image");
  }
  std::optional<Geometry> place;
  for (const Modality m : kModalities) {
    VOX_CHECK_DATA(!c.image(m).empty(), "no {} image", name(m));
    const Geometry g = read_nifti_geometry(c.image(m), volumes_of(c));
    if (place) { check_same_place(c.image_name(m).string(), g, c.image_name(Modality::t1).string(), *place); }
    place = place.value_or(g);
  }
}

Job examine(const CaseFiles& c, CaseLayout to, const LabelRules& rules) {
  examine_images(c);
  Job job{.files = &c, .labelled = !c.labels.empty(), .keep_labels = false, .cavity = 0, .write = written(to, c)};
  if (!job.labelled) { return job; }
  const ClassMap classes = read_classes(c.label_file(), rules);
  check_same_place(c.labels.string(), classes.classes.geometry, c.image_name(Modality::t1).string(),
                   read_nifti_geometry(c.image(Modality::t1), volumes_of(c)));
  job.cavity = classes.cavity;
  const NiftiLabels stored = read_nifti_labels(c.labels);
  LargeVector<std::uint8_t> wanted = classes.classes.values;
  to_labels(wanted, job.write);
  const int type = stored.header->datatype;
  const bool integers = type != DT_FLOAT32 && type != DT_FLOAT64 && !stored.header->scaled;
  job.keep_labels = integers && !stored.header->separate_voxels && wanted == stored.labels.values;
  return job;
}

void write_labels(const Job& job, const LabelRules& rules, const fs::path& to) {
  if (!job.labelled) { return; }
  if (job.keep_labels) { return copy_nifti(job.files->labels, to); }
  ClassMap classes = read_classes(job.files->label_file(), rules);
  to_labels(classes.classes.values, job.write);
  write_nifti(to, classes.classes, *read_nifti_labels(job.files->labels).header);
}

void write_image(const CaseFiles& c, Modality m, const fs::path& to) {
  if (c.volumes == 0) { return copy_nifti(c.image(m), to); }
  extract_volume(c.image(m), c.volume[static_cast<std::size_t>(m)], c.volumes, to);
}

/// The files of one case below `root`.
void write_case(const Job& job, CaseLayout to, const LabelRules& rules, const fs::path& root) {
  const CaseFiles& c = *job.files;
  const fs::path images = root / (job.labelled ? "imagesTr" : "imagesTs");
  const std::string file = c.id + ".nii.gz";
  switch (to) {
    case CaseLayout::brats:
      make_folders(root / c.id);
      for (const Modality m : kModalities) {
        write_image(c, m, root / c.id / fmt::format("{}_{}.nii.gz", c.id, name(m)));
      }
      return write_labels(job, rules, root / c.id / (c.id + "_seg.nii.gz"));
    case CaseLayout::nnunet:
      for (const Modality m : kModalities) {
        write_image(c, m, images / fmt::format("{}_{:04}.nii.gz", c.id, static_cast<int>(m)));
      }
      return write_labels(job, rules, root / "labelsTr" / file);
    case CaseLayout::msd: {
      std::vector<StackedVolume> volumes;
      volumes.reserve(kMsdOrder.size());
      for (const Modality m : kMsdOrder) {
        volumes.push_back({c.image(m), c.volumes > 0 ? c.volume[static_cast<std::size_t>(m)] : 0, volumes_of(c)});
      }
      stack_volumes(volumes, images / file);
      return write_labels(job, rules, root / "labelsTr" / file);
    }
    case CaseLayout::bids:
    case CaseLayout::list:
      break;
  }
  VOX_FAIL("convert: --to is '{}'; wants nnunet, brats or msd", name(to));
}

std::string msd_json(std::span<const Job> jobs) {
  Json json{{"name", "BrainTumour"}, {"tensorImageSize", "4D"}, {"modality", Json::object()}};
  for (std::size_t i = 0; i < kMsdChannels.size(); ++i) { json["modality"][std::to_string(i)] = kMsdChannels[i]; }
  json["labels"] = Json{{"0", "background"}, {"1", "edema"}, {"2", "non-enhancing tumor"}, {"3", "enhancing tumour"}};
  Json training = Json::array();
  Json test = Json::array();
  for (const Job& job : jobs) {
    const std::string file = job.files->id + ".nii.gz";
    if (job.labelled) {
      training.push_back(Json{{"image", "./imagesTr/" + file}, {"label", "./labelsTr/" + file}});
    } else {
      test.push_back("./imagesTs/" + file);
    }
  }
  json["numTraining"] = training.size();
  json["numTest"] = test.size();
  json["training"] = training;
  json["test"] = test;
  return json_text(json, 2) + "\n";
}

/// Beside the output, under a hidden name, until everything is there.
class PartialFolder {
 public:
  explicit PartialFolder(const fs::path& output)
      : output_(fs::absolute(output / ".").lexically_normal().parent_path()) {
    std::error_code error;
    const bool empty =
        !fs::exists(output_, error) || (fs::is_directory(output_, error) && fs::is_empty(output_, error));
    VOX_CHECK_DATA(empty, "'{}' is there already, and not an empty folder: convert writes a whole data set or none",
                   output.string());
    partial_ = output_.parent_path() / fmt::format(".{}.voxgrad-convert", output_.filename().string());
    fs::remove_all(partial_, error);
    make_folders(partial_);
  }
  ~PartialFolder() {
    std::error_code ignored;
    if (!partial_.empty()) { fs::remove_all(partial_, ignored); }
  }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  [[nodiscard]] const fs::path& path() const { return partial_; }
  void commit() {
    std::error_code error;
    fs::remove(output_, error);  // an empty folder
    fs::rename(partial_, output_, error);
    if (error) { VOX_FAIL_OUTPUT("{}: cannot make the folder: {}", output_.string(), error.message()); }
    partial_.clear();
    sync_folder(output_.parent_path());
  }

 private:
  fs::path output_;
  fs::path partial_;
};

std::vector<Job> examine_all(const Dataset& input, const ConvertOptions& options, const LabelRules& rules) {
  std::vector<Job> jobs(input.cases.size());
  std::vector<std::string> wrong(jobs.size());
  parallel_for(options.threads, std::ssize(jobs), [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    try {
      jobs[at] = examine(input.cases[at], options.to, rules);
    } catch (const DataError& e) { wrong[at] = fmt::format("\n  {}: {}", input.cases[at].id, e.what()); }
  });
  const std::string all = fmt::format("{}", fmt::join(wrong, ""));
  VOX_CHECK_DATA(all.empty(), "not converted, `voxgrad check` says more:{}", all);
  return jobs;
}

}  // namespace

ConvertReport convert_dataset(const ConvertOptions& options) {
  ConvertReport report;
  report.input = find_dataset(options.input, options.layout);
  PartialFolder folder(options.output);
  const LabelRules rules = label_rules(options.labels, report.input.cases, options.threads);
  const std::vector<Job> jobs = examine_all(report.input, options, rules);
  for (const Job& job : jobs) {
    if (!job.labelled) { continue; }
    ++report.labelled;
    report.labels_kept += job.keep_labels ? 1 : 0;
    report.cavity_voxels += job.cavity;
    if (std::ranges::count(report.written, job.write) == 0) { report.written.push_back(job.write); }
  }
  if (options.to != CaseLayout::brats) {
    if (report.labelled > 0) {
      make_folders(folder.path() / "imagesTr");
      make_folders(folder.path() / "labelsTr");
    }
    if (report.labelled < std::ssize(jobs)) { make_folders(folder.path() / "imagesTs"); }
  }
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(options.threads, std::ssize(jobs), [&](std::int64_t i) {
    write_case(jobs[static_cast<std::size_t>(i)], options.to, rules, folder.path());
    const std::lock_guard lock(mutex);
    if (options.on_case) { options.on_case(++done, std::ssize(jobs)); }
  });
  if (options.to == CaseLayout::nnunet) {
    write_file(folder.path() / "dataset.json",
               nnunet_dataset_json(LabelConvention::msd, {kChannels.begin(), kChannels.end()}, report.labelled));
  } else if (options.to == CaseLayout::msd) {
    write_file(folder.path() / "dataset.json", msd_json(jobs));
  }
  folder.commit();
  return report;
}

}  // namespace vox
