#include "app/cli/hub_address.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/json.h"

namespace slipway::app::cli {

namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorClass;

struct ClientFile {
  std::string url;
  base::Secret key;
};
SLIPWAY_JSON_SNAKE(ClientFile, url, key)

void check_url(const std::string& url, const std::string& source) {
  for (const std::string_view scheme : {"http://", "https://", "unix:/"})
    if (url.starts_with(scheme) && url.size() > scheme.size()) return;
  throw base::validation_error(source, "'" + url + "' is no address of a hub: http://…, https://… or unix:/path");
}

std::optional<HubAddress> read_client_file(const fs::path& dir) {
  const fs::path file = dir / "client.json";
  struct stat facts{};
  if (::stat(file.c_str(), &facts) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw base::system_error("cannot look at " + file.string(), errno);
  }
  if ((facts.st_mode & 077) != 0)
    throw Error(ErrorClass::user, "CLIENT_FILE_EXPOSED",
                file.string() + " holds a key and others may read it; make it yours alone: chmod 600 " + file.string());
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  if (!stream) throw base::system_error("cannot read " + file.string(), errno);
  auto parsed = json::from_value<ClientFile>(json::parse_value(text.str(), file.string()), json::Mode::lenient);
  check_url(parsed.url, file.string());
  return HubAddress{std::move(parsed.url), std::move(parsed.key), fs::absolute(dir).lexically_normal()};
}

HubAddress from_named_dir(const std::string& dir, const fs::path& working_directory) {
  const fs::path path = working_directory / dir;
  if (auto found = read_client_file(path)) return *std::move(found);
  throw Error(ErrorClass::user, std::string(kNoHubFound), "there is no client.json in " + path.string());
}

std::vector<fs::path> usual_dirs(const HubSearch& search) {
  std::vector<fs::path> dirs{search.working_directory / ".slipway"};
  for (const fs::path& program_dir : search.program_dirs) dirs.push_back(program_dir.parent_path() / ".slipway");
  if (const auto config = config_dir(search.environment)) dirs.push_back(*config);
  return dirs;
}

}  // namespace

std::optional<fs::path> config_dir(const std::function<std::optional<std::string>(const std::string&)>& environment) {
  if (const auto base = environment("XDG_CONFIG_HOME"); base && base->starts_with('/'))
    return fs::path(*base) / "slipway";
  if (const auto home = environment("HOME"); home && !home->empty()) return fs::path(*home) / ".config" / "slipway";
  return std::nullopt;
}

HubAddress find_hub(const HubSearch& search) {
  const auto variable = [&](const char* name) { return search.environment(name).value_or(""); };
  if (!search.url_option.empty()) {
    check_url(search.url_option, "--url");
    const std::string key = search.key_option.empty() ? variable("SLIPWAY_KEY") : search.key_option;
    return HubAddress{search.url_option, base::Secret(key)};
  }
  if (!search.data_option.empty()) return from_named_dir(search.data_option, search.working_directory);
  if (const std::string url = variable("SLIPWAY_URL"); !url.empty()) {
    check_url(url, "SLIPWAY_URL");
    const std::string key = search.key_option.empty() ? variable("SLIPWAY_KEY") : search.key_option;
    return HubAddress{url, base::Secret(key)};
  }
  if (const std::string data = variable("SLIPWAY_DATA"); !data.empty())
    return from_named_dir(data, search.working_directory);
  std::string looked_in;
  for (const fs::path& dir : usual_dirs(search)) {
    if (auto found = read_client_file(dir)) {
      if (!search.key_option.empty()) found->key = base::Secret(search.key_option);
      return *std::move(found);
    }
    looked_in += (looked_in.empty() ? "" : ", ") + dir.lexically_normal().string();
  }
  throw Error(ErrorClass::user, std::string(kNoHubFound), "no hub is known here: no client.json in " + looked_in);
}

}  // namespace slipway::app::cli
