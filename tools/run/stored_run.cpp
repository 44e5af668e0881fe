#include "tools/run/stored_run.h"

#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tools/run/first_rank.h"

namespace vox {

bool StoredRun::is_done(const TrainOptions& o) const {
  return progress.epoch >= o.epochs || stops_early(progress, o.stop_patience, o.validate_every);
}

StoredRun stored_run(const std::filesystem::path& folder) {
  const std::filesystem::path last = folder / "last.safetensors";
  VOX_CHECK(std::filesystem::exists(last), "{}: holds no run of voxgrad train: there is no last.safetensors",
            folder.string());
  const CheckpointFile file(last);
  const auto options = file.metadata().find("options");
  const auto progress = file.metadata().find("training");
  VOX_CHECK_DATA(options != file.metadata().end() && progress != file.metadata().end(),
                 "{}: holds no options or no state of a training run", last.string());
  const TrainOptions read = train_options_from_json(options->second, last.string());
  try {
    check_options(read);
  } catch (const Error& e) { VOX_FAIL_DATA("{}: the run's options are damaged: {}", last.string(), e.what()); }
  return {.options = read, .progress = training_progress_from_json(progress->second, last.string())};
}

StoredRun stored_run(const std::filesystem::path& folder, Communicator& ranks) {
  if (ranks.size() == 1) { return stored_run(folder); }
  const auto exchange = [](auto& message, auto& options, auto& progress) { fields(message, options, progress); };
  const std::string bytes = text_of_first(ranks, [&] {
    const StoredRun found = stored_run(folder);
    MessageWriter message;
    const std::string options = to_json(found.options);
    const std::string progress = to_json(found.progress);
    exchange(message, options, progress);
    return message.bytes();
  });
  MessageReader message(bytes);
  std::string options;
  std::string progress;
  exchange(message, options, progress);
  return {.options = train_options_from_json(options, folder.string()),
          .progress = training_progress_from_json(progress, folder.string())};
}

}  // namespace vox
