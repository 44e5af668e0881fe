#include "tools/verbs/case_options.h"

#include "data/cases/label_convention.h"

namespace vox {

std::vector<std::string> labels_words() {
  std::vector<std::string> words{"auto"};
  for (const LabelConvention c : kLabelConventions) { words.emplace_back(name(c)); }
  return words;
}

void add_labels_option(Command app, std::string& labels) {
  app.option("--labels", labels,
             "edition whose numbers the label files have; auto: from names and labels, and nothing is guessed "
             "(docs/editions.md)")
      .one_of(labels_words());
}

void add_layout_option(Command app, std::string& layout) {
  app.option("--layout", layout,
             "how the files are laid out: brats, msd, nnunet, bids or list; auto: by signs of one (docs/layouts.md)")
      .one_of({"auto", "brats", "msd", "nnunet", "bids", "list"});
}

void add_mask_option(Command app, std::string& suffix) {
  app.option("--mask-suffix", suffix,
             "take the brain from the file ID_SUFFIX.nii.gz of each case; default: every voxel where an image is not 0")
      .type_name("SUFFIX");
}

void add_allow_option(Command app, std::vector<std::string>& codes) {
  app.option("--allow", codes, "go on with cases in which check finds this error, such as BT-011; repeatable")
      .type_name("CODE")
      .repeatable()
      .default_text("");
}

}  // namespace vox
