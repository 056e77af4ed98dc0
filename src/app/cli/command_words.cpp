#include "app/cli/command_words.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace slipway::app::cli {

namespace {

const CLI::Option* find_option(const CLI::App& command, const std::string& name) {
  for (const CLI::Option* option : command.get_options())
    if (!option->get_positional() && option->check_name(name)) return option;
  return nullptr;
}

const CLI::App* find_subcommand(const CLI::App& command, const std::string& name) {
  for (const CLI::App* child : command.get_subcommands([](const CLI::App*) { return true; }))
    if (child->check_name(name)) return child;
  return nullptr;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

bool runs_remotely(const CLI::App& command) { return command.get_name() == "exec" || command.get_name() == "ssh"; }

}  // namespace

void CommandWords::take(const std::string& word) {
  if (const CLI::Option* option = std::exchange(awaiting_, nullptr)) {
    values_.emplace_back(option, word);
    return;
  }
  if (word.size() > 1 && word[0] == '-') {
    const auto equals = word.find('=');
    const CLI::Option* option = find_option(*command_, word.substr(0, equals));
    if (option == nullptr || !takes_value(*option)) return;
    if (equals == std::string::npos)
      awaiting_ = option;
    else
      values_.emplace_back(option, word.substr(equals + 1));
    return;
  }
  if (const CLI::App* child = positionals_ == 0 ? find_subcommand(*command_, word) : nullptr)
    command_ = child;
  else
    ++positionals_;
}

const CLI::Option* CommandWords::next_positional() const {
  std::size_t index = 0;
  for (const CLI::Option* option : command_->get_options())
    if (option->get_positional() && (index++ == positionals_ || option->get_items_expected_max() > 1)) return option;
  return nullptr;
}

std::string CommandWords::option_value(const std::string& name) const {
  const auto found = std::ranges::find_if(values_.rbegin(), values_.rend(),
                                          [&](const auto& entry) { return entry.first->check_name(name); });
  return found == values_.rend() ? std::string() : found->second;
}

std::optional<std::vector<std::string>> cut_foreign_words(const CLI::App& app, std::vector<std::string>& words) {
  if (words.size() >= 2 && words[0] == "__complete" && words[1] == "--words") {
    std::vector<std::string> typed(words.begin() + 2, words.end());
    words.resize(1);
    return typed;
  }
  CommandWords read(app);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_named = runs_remotely(read.command()) && read.positionals() > 0 && read.awaiting_value() == nullptr;
    const bool is_mark = words[i] == "--";
    if (is_named && (is_mark || !words[i].starts_with('-'))) {
      const auto begin = words.begin() + std::ptrdiff_t(i);
      std::vector<std::string> command(begin + (is_mark ? 1 : 0), words.end());
      words.erase(begin, words.end());
      return command;
    }
    read.take(words[i]);
  }
  return std::nullopt;
}

}  // namespace slipway::app::cli
