#pragma once
// Where the hub is, and the key to it.
//
// In this order, the first that says something decides: --url with --key; --data DIR; SLIPWAY_URL with SLIPWAY_KEY;
// SLIPWAY_DATA; then a file `client.json` {"url","key"} in ./.slipway, beside the program's folder (../.slipway), and
// in
// ~/.config/slipway. A key is only ever sent to the url that it was given with.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace slipway::app::cli {

inline constexpr std::string_view kNoHubFound = "NO_HUB_FOUND";

struct HubAddress {
  std::string url;  // http://host:port, https://…, or unix:/path/of/the/socket
  base::Secret key;
  std::optional<std::filesystem::path> data_dir{};  // the folder whose client.json said so
};

struct HubSearch {
  std::string url_option{}, key_option{}, data_option{};
  std::function<std::optional<std::string>(const std::string&)> environment;
  std::filesystem::path working_directory;
  std::vector<std::filesystem::path> program_dirs;  // folders of the executable: as called, and with links resolved
};

// Throws NO_HUB_FOUND when nothing names one, and says what is wrong with what was found: a file that others may read
// is refused, for the key in it is no longer a secret.
HubAddress find_hub(const HubSearch& search);

// $XDG_CONFIG_HOME/slipway or ~/.config/slipway; empty when the environment names no home.
std::optional<std::filesystem::path> config_dir(
    const std::function<std::optional<std::string>(const std::string&)>& environment);

}  // namespace slipway::app::cli
