// cp: files and folders in and out of a workspace.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/copy_path.h"
#include "app/cli/local_tar.h"
#include "app/cli/session_runner.h"
#include "base/unique_fd.h"

namespace slipway::app::cli {

namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorClass;

struct Copy {
  CopyPath source, target;
  bool recursive = false;
};

[[noreturn]] void fail_local(const std::string& action, const std::string& path) {
  const int reason = errno;
  throw Error(ErrorClass::user, reason == ENOENT ? "FILE_NOT_FOUND" : "FILE_ERROR",
              "cannot " + action + " '" + path + "': " + std::generic_category().message(reason));
}

Error needs_recursive(const std::string& path) {
  return base::validation_error("SOURCE", "'" + path + "' is a folder; copy folders with -r");
}

agent::OpenRequest files_request(agent::FilesRequest files) {
  agent::OpenRequest request;
  request.kind = agent::SessionKind::files;
  request.files = std::move(files);
  return request;
}

// Runs a files session; whatever is not a complete transfer throws.
void transfer(Invocation& invocation, const std::string& workspace_id, SessionCall call) {
  call.error = STDERR_FILENO;
  call.notice = [&invocation](std::string_view text) { invocation.say(text); };
  const int code = exit_code_of(run_session(invocation.hub().address(), workspace_id, std::move(call)));
  if (code != 0)
    throw Error(ErrorClass::user, "COPY_FAILED", "the other side failed with code " + std::to_string(code));
}

// ---- upload

// Like cp: into the folder if the target is one, else as the target.
void upload_file(Invocation& invocation, const std::string& id, const Copy& copy, int source, std::optional<int> mode) {
  const std::string name = copy.source.is_standard() ? "" : base_name(copy.source.path);
  const auto attempt = [&](const std::string& path) {
    if (path.empty()) throw base::validation_error("TARGET", "needs a file's name after ':'");
    transfer(invocation, id,
             {.request = files_request({.operation = agent::FileOperation::upload, .path = path, .mode = mode}),
              .input = source});
  };
  const std::string path = upload_target(copy.target.path, name);
  try {
    attempt(path);
  } catch (const Error& error) {
    if (error.code() != "FILE_IS_DIRECTORY" || name.empty()) throw;
    attempt(inside(path, name));  // nothing was read of the source yet: the open itself was refused
  }
}

// Whether `path` is a folder over there; asked by a command, for an upload of a folder creates what is missing.
bool is_remote_folder(Invocation& invocation, const std::string& id, const std::string& path) {
  if (path.empty()) return true;
  agent::OpenRequest request;
  request.command = agent::CommandRequest{.argv = {"test", "-d", path.starts_with("~/") ? path.substr(2) : path}};
  return exit_code_of(run_session(invocation.hub().address(), id, {.request = std::move(request)})) == 0;
}

void upload_folder(Invocation& invocation, const std::string& id, const Copy& copy) {
  std::string target = copy.target.path;
  const std::string name = base_name(fs::absolute(copy.source.path).lexically_normal().string());
  if (!name.empty() && is_remote_folder(invocation, id, target)) target = inside(target, name);
  LocalTar tar = LocalTar::pack(copy.source.path);
  transfer(invocation, id,
           {.request = files_request({.operation = agent::FileOperation::upload, .path = target, .directory = true}),
            .input = tar.pipe()});
  tar.finish();
}

void upload(Invocation& invocation, const std::string& id, const Copy& copy) {
  if (copy.source.is_standard()) return upload_file(invocation, id, copy, STDIN_FILENO, std::nullopt);
  const base::UniqueFd source(::open(copy.source.path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts{};
  if (!source || ::fstat(source.get(), &facts) != 0) fail_local("read", copy.source.path);
  if (!S_ISDIR(facts.st_mode)) return upload_file(invocation, id, copy, source.get(), int(facts.st_mode & 07777));
  if (!copy.recursive) throw needs_recursive(copy.source.path);
  upload_folder(invocation, id, copy);
}

// ---- download

// A file that appears whole or not at all.
class NewFile {
 public:
  explicit NewFile(fs::path path) : path_(std::move(path)) {
    struct stat facts{};
    if (::stat(path_.c_str(), &facts) == 0 &&
        !S_ISREG(facts.st_mode)) {  // a device or pipe: there is nothing to replace
      fd_.reset(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    } else {
      if (fs::is_symlink(path_)) path_ = fs::weakly_canonical(path_);
      partial_ = path_.parent_path() / ("." + path_.filename().string() + ".slipway-" + base::random_token(6));
      fd_.reset(::open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    }
    if (!fd_) fail_local("write", path_.string());
  }
  ~NewFile() {
    if (!partial_.empty()) ::unlink(partial_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int fd() const { return fd_.get(); }
  void finish(int mode) {
    if (partial_.empty()) return;
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(fd_.get(), mode_t(mode) & 0777 & ~mask) != 0 || ::rename(partial_.c_str(), path_.c_str()) != 0)
      fail_local("write", path_.string());
    partial_.clear();
  }

 private:
  fs::path path_, partial_;
  base::UniqueFd fd_;
};

void download(Invocation& invocation, const std::string& id, const Copy& copy) {
  std::optional<NewFile> file;
  std::optional<LocalTar> tar;
  std::optional<agent::FileFacts> facts;
  const std::string name = base_name(copy.source.path);
  const auto choose = [&](const agent::FileFacts& found) {
    facts = found;
    if (found.directory && !copy.recursive) throw needs_recursive(copy.source.path);
    if (copy.target.is_standard()) return STDOUT_FILENO;
    fs::path target = copy.target.path;
    if (fs::is_directory(target) && !name.empty()) target /= name;
    if (found.directory) return tar.emplace(LocalTar::unpack(target)).pipe();
    if (fs::is_directory(target)) throw base::validation_error("TARGET", "'" + target.string() + "' is a folder");
    return file.emplace(target).fd();
  };
  const std::string path = copy.source.path.empty() ? "~" : copy.source.path;
  transfer(
      invocation, id,
      {.request = files_request({.operation = agent::FileOperation::download, .path = path}), .open_output = choose});
  if (tar) tar->finish();
  if (file) file->finish(facts->mode);
}

int run_copy(Invocation& invocation, const Copy& copy) {
  if (copy.source.workspace.has_value() == copy.target.workspace.has_value())
    throw base::validation_error("cp", "exactly one side must be in a workspace: NAME:PATH");
  const std::string name = copy.source.workspace ? *copy.source.workspace : *copy.target.workspace;
  const std::string id = running_workspace(invocation.hub(), name);
  if (copy.target.workspace)
    upload(invocation, id, copy);
  else
    download(invocation, id, copy);
  return kOk;
}

}  // namespace

void add_copy_command(CLI::App& app, Invocation& invocation) {
  struct Options {
    std::string source, target;
    bool recursive = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& command = add_command(app, invocation, "cp", "Copy files into or out of a workspace",
                                  "  slipway cp notes.txt hello:            # into the home\n"
                                  "  slipway cp hello:/var/log/app.log .    # out\n"
                                  "  slipway cp -r src hello:project        # a folder\n"
                                  "  slipway cp hello:dump.sql - | less     # to stdout; - as source reads stdin",
                                  [&invocation, options] {
                                    return run_copy(invocation, {parse_copy_path(options->source),
                                                                 parse_copy_path(options->target), options->recursive});
                                  });
  command.add_option("source", options->source, "what to copy")->required()->type_name(kCopyPath);
  command.add_option("target", options->target, "where to")->required()->type_name(kCopyPath);
  command.add_flag("-r,--recursive", options->recursive, "folders too");
}

}  // namespace slipway::app::cli
