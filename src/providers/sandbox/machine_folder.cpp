#include "providers/sandbox/machine_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <cerrno>
#include <sstream>

#include "base/error.h"
#include "base/random.h"
#include "providers/sandbox/files.h"
#include "providers/sandbox/locks.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;
constexpr const char* kRemovedPrefix = ".removed-";

template <class Record>
std::optional<Record> read_record(const fs::path& path) {
  const auto text = read_file(path);
  if (text.empty()) return std::nullopt;
  try {
    return json::parse<Record>(text, json::Mode::lenient);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (c == '\n')
      c = '|';
    else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      c = '?';
  }
  return text;
}

}  // namespace

BwrapStatus parse_bwrap_status(std::string_view text) {
  BwrapStatus status;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    boost::system::error_code error;
    const auto value = boost::json::parse(line, error);
    if (error || !value.is_object()) continue;  // the last line may still be under way
    const auto number = [&](const char* name) -> std::optional<int> {
      const auto* found = value.get_object().if_contains(name);
      return found != nullptr && found->is_int64() ? std::optional<int>(int(found->get_int64())) : std::nullopt;
    };
    if (const auto pid = number("child-pid")) status.child_pid = pid;
    if (const auto code = number("exit-code")) status.exit_code = code;
  }
  return status;
}

fs::path MachineFolder::operation_lock() const { return path_ / kOperationLockFile; }

bool MachineFolder::exists() const { return ::access(path_.c_str(), F_OK) == 0; }

std::optional<MachineRecord> MachineFolder::machine() const {
  return read_record<MachineRecord>(path_ / "machine.json");
}

void MachineFolder::write_machine(const MachineRecord& record) const {
  write_atomically(path_ / "machine.json", json::print(record));
}

std::optional<LaunchRecord> MachineFolder::launch() const { return read_record<LaunchRecord>(path_ / "launch.json"); }

void MachineFolder::write_launch(const LaunchRecord& record) const {
  write_atomically(path_ / "launch.json", json::print(record));
}

void MachineFolder::forget_launch() const {
  for (const char* name : {"launch.json", "status.json", "gate"}) ::unlink((path_ / name).c_str());
}

BwrapStatus MachineFolder::status() const { return parse_bwrap_status(read_file(path_ / "status.json")); }

base::UniqueFd MachineFolder::open_new_status() const {
  return open_file(path_ / "status.json", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
}

base::UniqueFd MachineFolder::open_new_gate() const {
  const auto gate = path_ / "gate";
  ::unlink(gate.c_str());
  if (::mkfifo(gate.c_str(), 0600) != 0) throw base::system_error("make " + gate.string(), errno);
  // For reading and writing: so the sandbox waits on, and does not begin, when we are killed.
  return open_file(gate, O_RDWR);
}

void MachineFolder::open_gate() const {
  const base::UniqueFd gate(::open((path_ / "gate").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!gate) return;  // nobody waits there
  [[maybe_unused]] const auto written = ::write(gate.get(), "1", 1);
}

base::UniqueFd MachineFolder::open_console() const {
  return open_file(path_ / "console.log", O_WRONLY | O_CREAT | O_APPEND);
}

base::UniqueFd MachineFolder::open_network_log() const {
  return open_file(path_ / "network.log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
}

std::string MachineFolder::console_tail() const {
  return one_line(read_tail(path_ / "console.log", kConsoleShownBytes));
}

std::string MachineFolder::network_log_tail() const {
  return one_line(read_tail(path_ / "network.log", kConsoleShownBytes));
}

void MachineFolder::bound_console() const {
  const auto path = path_ / "console.log";
  struct stat now{};
  if (::stat(path.c_str(), &now) != 0 || std::size_t(now.st_size) <= kConsoleMaxBytes) return;
  // The writer appends (O_APPEND), so cutting the file under it is safe; a line that comes just now may be lost.
  const auto kept = read_tail(path, kConsoleKeptBytes);
  const auto file = open_file(path, O_WRONLY | O_TRUNC | O_APPEND);
  [[maybe_unused]] const auto written = ::write(file.get(), kept.data(), kept.size());
}

void MachineFolder::destroy() const {
  const auto name = path_.filename().string();
  const auto removed = path_.parent_path() / (kRemovedPrefix + name + "." + base::random_token(8));
  if (::rename(path_.c_str(), removed.c_str()) != 0 && errno != ENOENT) {
    throw base::system_error("remove " + path_.string(), errno);
  }
  remove_tree(removed);
}

void MachineFolder::sweep(const fs::path& root, const std::string& name) {
  const auto prefix = kRemovedPrefix + name + ".";
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  }
  for (const auto& path : found) remove_tree(path);
}

}  // namespace slipway::providers::sandbox
