#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>

#include "kernels/check.h"
#include "tools/commands.h"

namespace {

int run(int argc, char** argv) {
  CLI::App app{"voxgrad: train and run a 3D U-Net that segments brain tumours in multi-modal MRI", "voxgrad"};
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  vox::add_doctor(app);
  vox::add_info(app);
  vox::add_synth(app);
  vox::add_check(app);
  vox::add_prepare(app);
  vox::add_train(app);
  vox::add_predict(app);
  vox::add_evaluate(app);
  vox::add_overlay(app);
  vox::add_gradcheck(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : 2; }
}

int report(const std::exception& e, int code) {
  fmt::print(stderr, "voxgrad: {}\n", e.what());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const vox::ExitCode& e) { return e.code; } catch (const vox::DataError& e) {
    return report(e, 3);
  } catch (const vox::MemoryError& e) { return report(e, 4); } catch (const vox::NonFiniteError& e) {
    return report(e, 5);
  } catch (const std::bad_alloc& e) { return report(e, 4); } catch (const std::exception& e) {
    return report(e, 2);
  }
}
