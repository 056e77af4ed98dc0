#pragma once
// Shell completion: small scripts for the shells, which call the program back with the words typed so far.

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace slipway::app::cli {

// What the hub can add; each may be slow or fail, and is asked only where such a name fits.
struct CompletionSources {
  std::function<std::vector<std::string>()> workspaces;
  std::function<std::vector<std::string>()> runs;
  std::function<std::vector<std::string>()> schedules;
  std::function<std::vector<std::string>()> webhooks;
};

// What the last of `words` (perhaps empty) may become: commands, options, names. Empty where files belong.
std::vector<std::string> complete_words(const CLI::App& app, const std::vector<std::string>& words,
                                        const CompletionSources& sources);

// For "bash", "zsh" or "fish".
std::string completion_script(const std::string& shell);

}  // namespace slipway::app::cli
