// From made-up cases to a segmentation, without the program: prepare, train three steps, validate, segment, write.
#include <voxgrad/data/cases/dataset.h>
#include <voxgrad/data/nifti/nifti.h>
#include <voxgrad/data/prepare/prepare.h>
#include <voxgrad/data/prepare/restore.h>
#include <voxgrad/data/synth/synth.h>
#include <voxgrad/model/checkpoint.h>
#include <voxgrad/run/segmenter.h>
#include <voxgrad/run/training.h>
#include <voxgrad/run/validation.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "expect.h"

namespace fs = std::filesystem;

int main(int, char** argv) {
  const fs::path work = argv[1];
  (void)vox::write_synthetic_cases({.output = work / "cases", .cases = 4, .seed = 1, .size = {32, 40, 40}});
  const vox::Recipe recipe = vox::recipe_named("zscore", 32);
  const vox::PrepareReport prepared =
      vox::prepare_cases({.input = work / "cases", .output = work / "cache", .recipe = recipe});
  EXPECT(prepared.cases.size() == 4);

  vox::TrainOptions options;
  options.widths = {4, 4, 6, 6, 8};
  options.batch = 1;
  options.epochs = 1;
  options.folds = 4;  // three cases to train, one to validate
  options.threads = 1;
  vox::Training(work / "cache", work / "run", options, vox::Training::Start::fresh).run();

  std::ifstream log(work / "run" / "log.jsonl");
  int steps = 0;
  for (std::string line; std::getline(log, line);) { steps += line.find(R"("type":"step")") != std::string::npos; }
  EXPECT(steps == 3);

  const vox::CheckpointFile checkpoint(work / "run" / "best.safetensors");
  vox::UNet3d net(checkpoint.config(), vox::DType::f32, vox::kNoWeights);
  checkpoint.load(net);
  const vox::Validation scores = vox::validate(net, vox::find_prepared_cases(work / "cache"), vox::LossOptions{});
  EXPECT(std::isfinite(scores.loss) && scores.loss > 0);

  const vox::CaseFiles files = vox::find_cases(work / "cases").front();
  const vox::Segmenter segmenter(work / "run");
  const vox::PreparedCase input = vox::prepare_case(files, segmenter.recipe());
  const vox::LabelMap labels =
      vox::restore_labels(segmenter.run(input.image, input.info.mapping.size).probabilities, input.info.mapping);
  const fs::path result = work / (files.id + ".nii.gz");
  vox::write_nifti(result, labels, *input.header);
  EXPECT(labels.values.size() == 32 * 40 * 40);
  EXPECT(*std::ranges::max_element(labels.values) < 4);
  EXPECT(fs::file_size(result) > 0);
  std::printf("trained %d steps, loss %.4f, segmented %s\n", steps, scores.loss, files.id.c_str());
}
