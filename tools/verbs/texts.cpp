#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "engine/atomic_file.h"
#include "kernels/base/check.h"
#include "tools/ui/command_texts.h"
#include "tools/ui/output.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct ManOptions {
  std::string verb;
  std::string output;
};

std::string page_of(const CommandLine& program, const std::string& verb) {
  const std::string version = fmt::format("{} {}", program.name(), vox::version());
  if (verb.empty()) { return man_page(program, version); }
  const std::vector<Command> verbs = program.commands();
  const auto found = std::ranges::find(verbs, verb, [](const Command& c) { return c.name(); });
  VOX_CHECK(found != verbs.end(), "man: there is no verb '{}'", verb);
  return man_page(program, *found, version);
}

void print_man(const CommandLine& program, const ManOptions& o) {
  if (o.output.empty()) { return write_stdout(page_of(program, o.verb)); }
  make_folders(o.output);
  const fs::path folder = o.output;
  write_file(folder / (program.name() + ".1"), page_of(program, {}));
  for (const Command verb : program.commands()) {
    write_file(folder / fmt::format("{}-{}.1", program.name(), verb.name()), page_of(program, verb.name()));
  }
}

}  // namespace

void add_texts(CommandLine& program) {
  const Command man = program.command("man", "Print the manual page of the program or of a verb, for man");
  const auto o = std::make_shared<ManOptions>();
  man.option("verb", o->verb, "of which verb; none: of the program").type_name("VERB");
  man.option("-o,--output", o->output, "write every page into this folder instead").type_name("FOLDER");
  man.footer("voxgrad man check | man -l -");
  man.run([&program, o] { print_man(program, *o); });

  const Command completion = program.command("completion", "Print a script by which a shell completes commands");
  const auto shell = std::make_shared<std::string>();
  completion.option("shell", *shell, "bash, zsh or fish").one_of({"bash", "zsh", "fish"}).required();
  completion.footer(
      "bash: source <(voxgrad completion bash)   zsh: source <(voxgrad completion zsh)   fish: voxgrad completion fish "
      "| "
      "source");
  completion.run([&program, shell] { write_stdout(completion_script(program, *shell)); });
}

}  // namespace vox
