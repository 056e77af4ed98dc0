// Files and directories as endpoints. Single files are read and written here, in pieces that a local disk answers at
// once; directories go through the machine's tar.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/endpoint.h"
#include "base/random.h"
#include "base/unique_fd.h"

namespace slipway::agent {
namespace {

constexpr mode_t kDefaultMode = 0644;
constexpr mode_t kPermissionBits = 07777;

base::Error file_error(const std::string& action, const std::string& path, int errno_value) {
  std::string code = "FILE_ERROR";
  if (errno_value == ENOENT || errno_value == ENOTDIR) code = "FILE_NOT_FOUND";
  if (errno_value == EACCES || errno_value == EPERM || errno_value == EROFS) code = "FILE_NOT_PERMITTED";
  if (errno_value == ENOSPC || errno_value == EDQUOT) code = "DISK_FULL";
  const auto reason = std::generic_category().message(errno_value);
  return base::Error(base::ErrorClass::user, code, "cannot " + action + " '" + path + "': " + reason);
}

Exit failed(const base::Error& error) {
  Exit exit;
  exit.error_code = error.code();
  exit.error_message = error.message();
  return exit;
}

// What files have in common: no output but what `read` gives, an end that is set once.
class FileEndpoint : public Endpoint {
 public:
  explicit FileEndpoint(net::IoContext& io) : changed_(io) {}

  net::Awaitable<Exit> wait() override {
    while (!exit_) co_await changed_.wait();
    co_return *exit_;
  }
  void hang_up() override { kill(); }
  void kill() override {
    end(failed(base::Error(base::ErrorClass::user, "SESSION_ENDED", "the transfer was ended before it was complete")));
  }

 protected:
  bool ended() const { return exit_.has_value(); }
  void end(Exit exit) {
    if (exit_) return;
    exit_ = std::move(exit);
    changed_.notify_all();
  }
  void end_well() {
    Exit exit;
    exit.code = 0;
    end(std::move(exit));
  }

 private:
  std::optional<Exit> exit_;
  net::Signal changed_;
};

class Download final : public FileEndpoint {
 public:
  Download(net::IoContext& io, std::string path, base::UniqueFd file, FileFacts facts)
      : FileEndpoint(io), path_(std::move(path)), file_(std::move(file)), facts_(facts) {}

  net::Awaitable<std::string> read(StreamId stream, std::size_t limit) override {
    if (stream != StreamId::output || ended()) co_return "";
    std::string bytes(limit, '\0');
    const ssize_t count = ::read(file_.get(), bytes.data(), bytes.size());
    if (count < 0) end(failed(file_error("read", path_, errno)));
    if (count == 0) end_well();
    bytes.resize(count > 0 ? std::size_t(count) : 0);
    co_return bytes;
  }
  net::Awaitable<bool> write(std::string) override { co_return false; }
  void end_input() override {}
  std::optional<FileFacts> file_facts() const override { return facts_; }

 private:
  std::string path_;
  base::UniqueFd file_;
  FileFacts facts_;
};

// Writes beside the target and takes its place at the end, so that nobody ever sees half a file.
class Upload final : public FileEndpoint {
 public:
  Upload(net::IoContext& io, std::string path, mode_t mode)
      : FileEndpoint(io),
        path_(std::move(path)),
        partial_(partial_name(path_)),
        mode_(mode),
        file_(::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) {
    if (!file_) throw file_error("write", path_, errno);
  }
  ~Upload() override {
    if (!partial_.empty()) ::unlink(partial_.c_str());
  }

  net::Awaitable<std::string> read(StreamId, std::size_t) override { co_return ""; }

  net::Awaitable<bool> write(std::string bytes) override {
    std::string_view rest = bytes;
    while (!rest.empty() && !ended()) {
      const ssize_t count = ::write(file_.get(), rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) end(failed(file_error("write", path_, errno)));
      rest.remove_prefix(count > 0 ? std::size_t(count) : 0);
    }
    co_return !ended();
  }

  void end_input() override {
    if (ended()) return;
    const bool placed = ::fchmod(file_.get(), mode_) == 0 && ::fsync(file_.get()) == 0 &&
                        ::rename(partial_.c_str(), path_.c_str()) == 0;
    if (!placed) return end(failed(file_error("write", path_, errno)));
    partial_.clear();
    end_well();
  }

 private:
  static std::string partial_name(const std::filesystem::path& path) {
    return path.parent_path() / ('.' + path.filename().string().substr(0, 200) + ".slipway-" + base::random_token(6));
  }

  std::string path_, partial_;
  mode_t mode_;
  base::UniqueFd file_;
};

std::string absolute_path(const Machine& machine, const std::string& path) {
  if (path.starts_with('/')) return path;
  if (path == "~") return machine.home;
  return machine.home + '/' + (path.starts_with("~/") ? path.substr(2) : path);
}

ProcessSpec tar(const Machine& machine, std::vector<std::string> arguments) {
  return {.program = "tar",
          .arguments = std::move(arguments),
          .environment = machine.environment,
          .directory = machine.home};
}

std::unique_ptr<Endpoint> download(const Machine& machine, const std::string& path) {
  // Not blocking: opening a pipe or a device must not hold up everybody else.
  base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat found;
  if (!file || ::fstat(file.get(), &found) != 0) throw file_error("read", path, errno);
  FileFacts facts{.directory = S_ISDIR(found.st_mode),
                  .size = std::uint64_t(found.st_size),
                  .mode = int(found.st_mode & kPermissionBits),
                  .modified_at = base::from_unix_ms(std::int64_t(found.st_mtim.tv_sec) * 1000)};
  if (facts.directory) {
    facts.size = 0;
    return open_process(machine, tar(machine, {"tar", "-C", path, "-cf", "-", "."}), {.facts = facts});
  }
  if (!S_ISREG(found.st_mode))
    throw base::Error(base::ErrorClass::user, "FILE_NOT_REGULAR", "'" + path + "' is neither file nor directory");
  return std::make_unique<Download>(machine.io, path, std::move(file), facts);
}

std::unique_ptr<Endpoint> upload(const Machine& machine, std::string path, const FilesRequest& request) {
  if (request.directory.value_or(false)) {
    std::error_code failure;
    std::filesystem::create_directories(path, failure);
    if (failure) throw file_error("make", path, failure.value());
    return open_process(machine, tar(machine, {"tar", "-C", path, "-xpf", "-"}));
  }
  struct stat found;
  const bool exists = ::stat(path.c_str(), &found) == 0;
  if (exists && !S_ISREG(found.st_mode))
    throw base::Error(base::ErrorClass::user, S_ISDIR(found.st_mode) ? "FILE_IS_DIRECTORY" : "FILE_NOT_REGULAR",
                      "'" + path + "' is not a file");
  // A link stays a link, and its target is replaced.
  if (exists) path = std::filesystem::canonical(path).string();
  const mode_t mode = request.mode ? mode_t(*request.mode) : exists ? found.st_mode & kPermissionBits : kDefaultMode;
  return std::make_unique<Upload>(machine.io, std::move(path), mode);
}

}  // namespace

std::unique_ptr<Endpoint> open_files(const Machine& machine, const FilesRequest& request) {
  const std::string path = absolute_path(machine, request.path);
  return request.operation == FileOperation::upload ? upload(machine, path, request) : download(machine, path);
}

}  // namespace slipway::agent
