#pragma once
// Reading a command line word by word against the commands that exist, without executing it: for shell completion, and
// to find where the remote command of exec and ssh begins.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace slipway::app::cli {

class CommandWords {
 public:
  explicit CommandWords(const CLI::App& app) : command_(&app) {}
  void take(const std::string& word);

  const CLI::App& command() const { return *command_; }
  // The option whose value the next word is.
  const CLI::Option* awaiting_value() const { return awaiting_; }
  // The positional that the next word is, if any is left.
  const CLI::Option* next_positional() const;
  std::size_t positionals() const { return positionals_; }
  // The last value given to an option, e.g. "--data", on the way.
  std::string option_value(const std::string& name) const;

 private:
  const CLI::App* command_;
  const CLI::Option* awaiting_ = nullptr;
  std::size_t positionals_ = 0;
  std::vector<std::pair<const CLI::Option*, std::string>> values_;
};

// Cuts off the words that are not ours to understand, whatever they look like: the remote command of `exec NAME …` and
// `ssh NAME …` (what follows `--`, or the first word after NAME that is no option of ours), and what `__complete
// --words` is asked about. Empty optional when there are none; `words` keeps the rest.
std::optional<std::vector<std::string>> cut_foreign_words(const CLI::App& app, std::vector<std::string>& words);

}  // namespace slipway::app::cli
