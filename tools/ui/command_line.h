#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace vox {

// The command line of a program: verbs, options, help. One source file knows the library behind it, CLI11, which takes
// seconds to compile. A Command and an Option are handles: copies mean the same verb or option of the same CommandLine.

/// An option of a verb. Its help shows what its variable held when it was added.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  // NOLINTBEGIN(modernize-use-nodiscard): what they give is the option again, for the next of them
  Option required() const;
  Option expected(int count) const;   ///< so many values after the name
  Option delimiter(char mark) const;  ///< values may be joined by this
  Option repeatable() const;          ///< the name may come several times, and all values count
  Option not_negative() const;        ///< a finite number of 0 or more
  Option positive() const;            ///< a finite number above 0
  Option range(int lowest, int highest) const;
  Option range(double lowest, double highest) const;
  Option one_of(const std::vector<std::string>& words) const;
  Option check(
      const std::function<std::string(const std::string&)>& wrong) const;  ///< what is wrong with a value, or ""
  Option word(const std::string& text, const std::string& value) const;    ///< text stands for this value
  Option type_name(const std::string& name) const;                         ///< in help, instead of TEXT or INT
  Option default_text(const std::string& text) const;  ///< in help, instead of what the variable held
  Option group(const std::string& heading) const;      ///< in help, instead of Options
  // NOLINTEND(modernize-use-nodiscard)

  [[nodiscard]] const std::vector<std::string>& long_names() const;   ///< without dashes
  [[nodiscard]] const std::vector<std::string>& short_names() const;  ///< without dashes
  [[nodiscard]] bool is_flag() const;                                 ///< takes no value
  [[nodiscard]] std::string positional_name() const;                  ///< of what comes without an option's name
  [[nodiscard]] const std::string& says() const;                      ///< as its help has it
  [[nodiscard]] std::string type() const;   ///< "TEXT", "INT", "FILE.json", "{auto,brats}"; of a flag none
  [[nodiscard]] std::string usual() const;  ///< the default as its help has it
  [[nodiscard]] std::vector<std::string> choices() const;  ///< of one_of(); none: any value
  [[nodiscard]] bool is_required() const;
  [[nodiscard]] bool is_given() const;  ///< stood among the arguments that were read

 private:
  CLI::Option* option_;
};

/// A verb of a program, or the program itself.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  /// An option by its names, "-i,--input"; a name without dashes stands for what comes without an option. The variable
  /// lives until the arguments have been read. T: std::string, std::filesystem::path, int, std::int64_t, std::uint64_t,
  /// double, or a std::vector of std::string, int, std::int64_t or double; no other links.
  template <typename T> Option option(const std::string& names, T& value, const std::string& says = {}) const;
  /// An option whose value goes to a function. The help shows no default.
  Option option_to(const std::string& names, const std::function<void(const std::string&)>& take,
                   const std::string& says) const;
  Option flag(const std::string& names, bool& value, const std::string& says) const;
  // NOLINTNEXTLINE(modernize-use-nodiscard): a verb may have no options
  Command command(const std::string& name,
                  const std::string& says) const;  ///< a verb; one of them must then be given
  void run(std::function<void()> call) const;      ///< what the verb does
  void footer(const std::string& text) const;      ///< below the help
  void hide() const;                               ///< from the help of what it is a verb of

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] std::string says() const;
  [[nodiscard]] std::string footer() const;
  [[nodiscard]] std::vector<Command> commands() const;
  [[nodiscard]] std::vector<Option> options() const;
  [[nodiscard]] std::vector<std::string> long_names() const;  ///< of all options, without dashes

 protected:
  CLI::App* app_;
};

/// A whole program.
class CommandLine : public Command {
 public:
  /// What the program is, and its name as the help has it.
  CommandLine(const std::string& says, const std::string& name);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  void version(const std::string& text);  ///< what --version prints

  /// What is to be printed. Where nothing is, the verb was run, if there is one.
  struct Answer {
    std::string out;    ///< the help or the version that was asked for
    std::string error;  ///< what is wrong with the arguments, and what was probably meant
  };
  /// Reads arguments, those of main() without the first, and runs the verb they name. What run()'s function throws
  /// comes through.
  [[nodiscard]] Answer read(std::vector<std::string> arguments);
  /// The same for main(): prints the answer. Nothing: go on; else the program's exit code, 0 or 2.
  [[nodiscard]] std::optional<int> read(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> own_;
};

/// The word nearest to this one in single-letter changes; empty where none is near.
[[nodiscard]] std::string nearest(const std::string& word, const std::vector<std::string>& known);

[[nodiscard]] const char* cli11_version();

}  // namespace vox
