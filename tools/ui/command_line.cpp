#include "tools/ui/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <type_traits>
#include <utility>

namespace vox {
namespace {

constexpr int kUsage = 2;

/// CLI11's own checks of a sign write out the largest double where they refuse, take NaN, and without one an unsigned
/// option takes -1 for its largest value.
std::function<std::string(const std::string&)> number_check(bool (*fits)(double), const char* wanted) {
  return [fits, wanted](const std::string& text) {
    double value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && std::isfinite(value) && fits(value);
    return good ? std::string() : "is " + text + ", wants " + wanted;
  };
}

/// CLI11 takes a whole number that 64 bits do not hold for the nearest one that they do.
template <class T> std::string too_long(const std::string& text) {
  errno = 0;
  if constexpr (std::is_signed_v<T>) {
    static_cast<void>(std::strtoll(text.c_str(), nullptr, 0));
  } else {
    static_cast<void>(std::strtoull(text.c_str(), nullptr, 0));
  }
  return errno == ERANGE ? "is " + text + ", which 64 bits do not hold" : std::string();
}

/// The largest double is refused by none of CLI11's checks where the text is larger, nor is what is not a number.
std::string not_finite(const std::string& text) {
  double value = 0;
  const bool number = CLI::detail::lexical_cast(text, value);
  return number && !std::isfinite(value) ? "is " + text + ", wants a finite number" : std::string();
}

template <class T> struct ElementOf { using type = T; };
template <class T> struct ElementOf<std::vector<T>> { using type = T; };

/// The option that was probably meant by what was not expected.
std::string suggestion(CLI::App* verb, const std::string& message) {
  while (!verb->get_subcommands().empty()) { verb = verb->get_subcommands().front(); }
  const std::size_t dashes = message.find("--");
  if (dashes == std::string::npos) { return {}; }
  const std::string word = message.substr(dashes + 2, message.find_first_of(" =", dashes) - dashes - 2);
  const std::string near = nearest(word, Command(verb).long_names());
  return near.empty() ? "" : "The nearest option is --" + near + "\n";
}

/// The help or the version that was asked for, or what is wrong with the arguments.
CommandLine::Answer answer(const CLI::App& app, const CLI::ParseError& e) {
  std::ostringstream out;
  std::ostringstream error;
  app.exit(e, out, error);
  return {.out = out.str(), .error = error.str()};
}

}  // namespace

Option Option::required() const {
  option_->required();
  return *this;
}

Option Option::expected(int count) const {
  option_->expected(count);
  return *this;
}

Option Option::delimiter(char mark) const {
  option_->delimiter(mark);
  return *this;
}

Option Option::repeatable() const {
  option_->take_all();
  return *this;
}

Option Option::not_negative() const {
  option_->check(number_check([](double x) { return x >= 0; }, "0 or more"), "NONNEGATIVE");
  return *this;
}

Option Option::positive() const {
  option_->check(number_check([](double x) { return x > 0; }, "more than 0"), "POSITIVE");
  return *this;
}

Option Option::range(int lowest, int highest) const {
  option_->check(CLI::Range(lowest, highest));
  return *this;
}

Option Option::range(double lowest, double highest) const {
  option_->check(CLI::Range(lowest, highest));
  return *this;
}

Option Option::one_of(const std::vector<std::string>& words) const {
  option_->check(CLI::IsMember(words));
  return *this;
}

Option Option::check(const std::function<std::string(const std::string&)>& wrong) const {
  option_->check(wrong);
  return *this;
}

Option Option::type_name(const std::string& name) const {
  option_->type_name(name);
  return *this;
}

Option Option::word(const std::string& text, const std::string& value) const {
  option_->transform([=](const std::string& given) { return given == text ? value : given; });
  return *this;
}

Option Option::default_text(const std::string& text) const {
  option_->default_str(text);
  return *this;
}

Option Option::group(const std::string& heading) const {
  option_->group(heading);
  return *this;
}

const std::vector<std::string>& Option::long_names() const { return option_->get_lnames(); }
const std::vector<std::string>& Option::short_names() const { return option_->get_snames(); }
bool Option::is_flag() const { return option_->get_expected_max() == 0; }
std::string Option::positional_name() const { return option_->get_name(true); }
const std::string& Option::says() const { return option_->get_description(); }
std::string Option::usual() const { return is_flag() ? "" : option_->get_default_str(); }
bool Option::is_required() const { return option_->get_required(); }

std::string Option::type() const {
  if (is_flag()) { return {}; }
  const std::string all = option_->get_type_name();  // "TEXT:{auto,brats}", "INT:NONNEGATIVE"
  const std::size_t colon = std::min(all.find(':'), all.size());
  return all.substr(colon).starts_with(":{") ? all.substr(colon + 1) : all.substr(0, colon);
}

std::vector<std::string> Option::choices() const {
  const std::string text = type();
  std::vector<std::string> words;
  if (!text.starts_with('{') || !text.ends_with('}')) { return words; }
  std::istringstream inside(text.substr(1, text.size() - 2));
  for (std::string word; std::getline(inside, word, ',');) { words.push_back(word); }
  return words;
}

bool Option::is_given() const { return option_->count() > 0; }

template <typename T> Option Command::option(const std::string& names, T& value, const std::string& says) const {
  using Element = typename ElementOf<T>::type;
  CLI::Option* const added = app_->add_option(names, value, says);
  if constexpr (std::is_integral_v<Element>) { added->check(too_long<Element>); }
  if constexpr (std::is_floating_point_v<Element>) { added->check(not_finite); }
  return Option(added);
}
template Option Command::option(const std::string&, std::string&, const std::string&) const;
template Option Command::option(const std::string&, std::filesystem::path&, const std::string&) const;
template Option Command::option(const std::string&, int&, const std::string&) const;
template Option Command::option(const std::string&, std::int64_t&, const std::string&) const;
template Option Command::option(const std::string&, std::uint64_t&, const std::string&) const;
template Option Command::option(const std::string&, double&, const std::string&) const;
template Option Command::option(const std::string&, std::vector<std::string>&, const std::string&) const;
template Option Command::option(const std::string&, std::vector<int>&, const std::string&) const;
template Option Command::option(const std::string&, std::vector<std::int64_t>&, const std::string&) const;
template Option Command::option(const std::string&, std::vector<double>&, const std::string&) const;

Option Command::option_to(const std::string& names, const std::function<void(const std::string&)>& take,
                          const std::string& says) const {
  return Option(app_->add_option_function<std::string>(names, take, says));
}

Option Command::flag(const std::string& names, bool& value, const std::string& says) const {
  return Option(app_->add_flag(names, value, says));
}

Command Command::command(const std::string& name, const std::string& says) const {
  app_->require_subcommand(1);
  return Command(app_->add_subcommand(name, says));
}

void Command::run(std::function<void()> call) const { app_->callback(std::move(call)); }
void Command::footer(const std::string& text) const { app_->footer(text); }
void Command::hide() const { app_->group(""); }

const std::string& Command::name() const { return app_->get_name(); }
std::string Command::says() const { return app_->get_description(); }
std::string Command::footer() const { return app_->get_footer(); }

std::vector<Command> Command::commands() const {
  std::vector<Command> all;
  for (CLI::App* verb : app_->get_subcommands([](const CLI::App*) { return true; })) { all.emplace_back(verb); }
  return all;
}

std::vector<Option> Command::options() const {
  std::vector<Option> all;
  for (CLI::Option* option : app_->get_options()) { all.emplace_back(option); }
  return all;
}

std::vector<std::string> Command::long_names() const {
  std::vector<std::string> all;
  for (const Option& option : options()) { std::ranges::copy(option.long_names(), std::back_inserter(all)); }
  return all;
}

CommandLine::CommandLine(const std::string& says, const std::string& name)
    : Command(new CLI::App(says, name)), own_(app_) {
  app_->option_defaults()->always_capture_default();
}

CommandLine::~CommandLine() = default;

void CommandLine::version(const std::string& text) { app_->set_version_flag("--version", text); }

CommandLine::Answer CommandLine::read(std::vector<std::string> arguments) {
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app_->parse(std::move(arguments));
    return {};
  } catch (const CLI::ExtrasError& e) {
    Answer a = answer(*app_, e);
    a.error += suggestion(app_, e.what());
    return a;
  } catch (const CLI::ParseError& e) { return answer(*app_, e); }
}

std::optional<int> CommandLine::read(int argc, const char* const* argv) {
  const Answer a = read(std::vector<std::string>(argv + 1, argv + argc));
  if (a.out.empty() && a.error.empty()) { return {}; }
  const bool printed = std::fputs(a.out.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  static_cast<void>(std::fputs(a.error.c_str(), stderr));
  return printed && a.error.empty() ? 0 : kUsage;
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  const auto edits = [&](const std::string& other) {  // Levenshtein
    std::vector<std::size_t> row(other.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) { row[j] = j; }
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t change = diagonal + (word[i - 1] == other[j - 1] ? 0 : 1);
        diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
      }
    }
    return row.back();
  };
  std::string best;
  std::size_t fewest = std::max<std::size_t>(2, word.size() / 2) + 1;
  for (const std::string& k : known) {
    if (const std::size_t n = edits(k); n < fewest) {
      fewest = n;
      best = k;
    }
  }
  return best;
}

const char* cli11_version() { return CLI11_VERSION; }

}  // namespace vox
