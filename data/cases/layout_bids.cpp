// Layout bids: sub-ID/[ses-ID/]anat/sub-ID[_ses-ID][_ENTITY-VALUE...]_SUFFIX.nii.gz. A file is one image by its suffix
// (T1w, T2w, FLAIR, ...); T1w with an entity ce-AGENT is the image with contrast agent. Labels have a suffix dseg or
// seg, or mask where an entity says tumour or lesion, beside the images or below derivatives.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "data/cases/layout_files.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

/// The parts of a file's name between underscores.
std::vector<std::string> parts_of(const std::string& stem) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= stem.size();) {
    const std::size_t end = std::min(stem.find('_', at), stem.size());
    parts.push_back(stem.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

bool belongs_to(const std::string& stem, const std::string& id) { return stem.starts_with(id + '_'); }

std::optional<Modality> image_of(const std::string& stem) {
  const std::vector<std::string> parts = parts_of(stem);
  const auto m = modality_named(parts.back());
  const bool agent = std::ranges::any_of(
      parts, [](const std::string& p) { return p.starts_with("ce-") && lower_case(p) != "ce-none"; });
  return m == Modality::t1 && agent ? Modality::t1ce : m;
}

bool is_labels(const std::string& stem) {
  const std::string text = lower_case(stem);
  const std::string suffix = lower_case(parts_of(stem).back());
  if (suffix == "dseg" || suffix == "seg" || text.ends_with("-seg")) { return true; }
  const bool tumour = text.find("tumo") != std::string::npos || text.find("lesion") != std::string::npos;
  return suffix == "mask" && tumour;
}

bool is_mask(const std::string& stem, std::string_view suffix) {
  suffix.remove_prefix(std::min(suffix.find_first_not_of('_'), suffix.size()));
  const std::string text = lower_case(stem);
  return !suffix.empty() && text.size() > suffix.size() && text.ends_with(lower_case(std::string(suffix))) &&
         text[text.size() - suffix.size() - 1] == '_';
}

/// dseg.tsv of a label file: of its own name, or in its folder or one above up to the data set's.
std::optional<StatedLabels> stated_beside(const fs::path& labels, const fs::path& root) {
  std::vector<fs::path> places{labels.parent_path() / (*nifti_stem(labels) + ".tsv")};
  fs::path folder = labels.parent_path();
  for (int up = 0; up < 8 && !folder.empty(); ++up, folder = folder.parent_path()) {
    places.push_back(folder / "dseg.tsv");
    if (folder == root) { break; }
  }
  for (const fs::path& tsv : places) {
    if (type_of(tsv) != fs::file_type::regular) { continue; }
    std::vector<NamedLabel> names;
    const TextTable table = read_table(tsv, '\t');
    const std::ptrdiff_t index = table.column("index");
    const std::ptrdiff_t name = table.column("name");
    VOX_CHECK_DATA(index >= 0 && name >= 0, "{}: wants columns 'index' and 'name'", tsv.string());
    for (const auto& row : table.rows) {
      const std::string& number = row.fields[static_cast<std::size_t>(index)];
      const bool digits = !number.empty() && number.size() < 10 &&
                          std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c) != 0; });
      VOX_CHECK_DATA(digits, "{}: line {}: index '{}' is no label", tsv.string(), row.line, number);
      names.push_back({row.fields[static_cast<std::size_t>(name)], {std::stoll(number)}});
    }
    return stated_labels(tsv.string(), names);
  }
  return {};
}

class Reader {
 public:
  Reader(fs::path root, std::string_view mask_suffix) : root_(std::move(root)), mask_suffix_(mask_suffix) {
    const fs::path derivatives = root_ / "derivatives";
    if (!is_folder(derivatives)) { return; }
    for (const fs::directory_entry& entry : list_below(derivatives)) {
      if (!is_hidden(entry.path()) && nifti_stem(entry.path()) && is_regular(entry)) {
        derived_.push_back(entry.path());
      }
    }
    std::ranges::sort(derived_);
  }

  void read_subject(const fs::path& subject) {
    const std::string id = own_name(subject);
    if (is_folder(subject / "anat")) { read_session(subject / "anat", id); }
    for (const fs::path& session : entries_of(subject).folders) {
      const std::string own = session.filename().string();
      if (own.starts_with("ses-") && is_folder(session / "anat")) {
        read_session(session / "anat", fmt::format("{}_{}", id, own));
      }
    }
  }

  std::vector<CaseFiles> cases;

 private:
  void read_session(const fs::path& anat, const std::string& id) {
    CaseFiles c;
    c.id = id;
    c.folder = anat;
    c.mask_suffix = mask_suffix_;
    const std::vector<fs::path> files = entries_of(anat).files;
    for (const fs::path& file : files) {
      const auto stem = nifti_stem(file);
      if (!stem || !belongs_to(*stem, id)) { continue; }
      if (const auto m = image_of(*stem)) { place_file(c, c.images[static_cast<std::size_t>(*m)], file); }
    }
    take_derived(c, files);
    take_derived(c, derived_);
    if (!c.labels.empty()) { c.stated = stated_beside(c.labels, root_); }
    const bool any = std::ranges::any_of(c.images, [](const fs::path& p) { return !p.empty(); });
    if (any) { cases.push_back(std::move(c)); }
  }

  void take_derived(CaseFiles& c, const std::vector<fs::path>& files) const {
    for (const fs::path& file : files) {
      const auto stem = nifti_stem(file);
      if (!stem || !belongs_to(*stem, c.id)) { continue; }
      if (is_mask(*stem, mask_suffix_)) {
        place_file(c, c.mask, file);
      } else if (is_labels(*stem)) {
        place_file(c, c.labels, file);
      }
    }
  }

  fs::path root_;
  std::string mask_suffix_;
  std::vector<fs::path> derived_;
};

bool is_subject(const fs::path& folder) {
  const std::string own = own_name(folder);
  if (!own.starts_with("sub-")) { return false; }
  if (is_folder(folder / "anat")) { return true; }
  return std::ranges::any_of(entries_of(folder).folders, [&](const fs::path& f) {
    return f.filename().string().starts_with("ses-") && is_folder(f / "anat");
  });
}

}  // namespace

std::vector<fs::path> bids_subjects(const fs::path& folder) {
  if (is_subject(folder)) { return {folder}; }
  std::vector<fs::path> subjects;
  for (const fs::path& f : entries_of(folder).folders) {
    if (is_subject(f)) { subjects.push_back(f); }
  }
  return subjects;
}

Dataset bids_cases(const fs::path& folder, std::string_view mask_suffix) {
  const fs::path root =
      is_subject(folder) ? fs::absolute(folder / ".").lexically_normal().parent_path().parent_path() : folder;
  Reader reader(root, mask_suffix);
  for (const fs::path& subject : bids_subjects(folder)) { reader.read_subject(subject); }
  VOX_CHECK_DATA(
      !reader.cases.empty(),
      "no case in '{}': wants sub-ID/[ses-ID/]anat/sub-ID[_ses-ID]..._{{T1w,T2w,FLAIR}}.nii.gz, and T1w with "
      "ce-gadolinium in its name",
      folder.string());
  Dataset d{.layout = CaseLayout::bids, .why = {}, .cases = std::move(reader.cases), .notes = {}};
  const auto stated = std::ranges::find_if(d.cases, [](const CaseFiles& c) { return c.stated.has_value(); });
  if (stated != d.cases.end()) {
    const auto& s = *stated->stated;
    d.notes.push_back(
        fmt::format("labels: {}{}", s.text, s.convention ? fmt::format(", as {}", name(*s.convention)) : ""));
  }
  return d;
}

}  // namespace vox
