#pragma once

#include <filesystem>
#include <string>

#include "data/check/check.h"
#include "data/synth/phantom.h"

namespace vox {

/// Where the files of one case go.
struct CasePlace {
  std::filesystem::path folder;
  std::string id;
  [[nodiscard]] std::filesystem::path file(const std::string& ending) const { return folder / (id + "_" + ending); }
  [[nodiscard]] std::filesystem::path image(Modality m) const { return file(std::string(name(m)) + ".nii.gz"); }
  [[nodiscard]] std::filesystem::path labels() const { return file("seg.nii.gz"); }
};

/// A sound case: five files.
void write_phantom(const CasePlace&, const Phantom&);

/// What the phantom of a faulty case must be like.
[[nodiscard]] PhantomOptions options_for(Check, const PhantomOptions& sound);
/// The five files with the fault in them.
void write_faulty(Check, const CasePlace&, Phantom);

}  // namespace vox
