// pack() of archive.h, and what it leaves out.

#include <archive.h>
#include <archive_entry.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "provisioner/archive_path.h"

namespace slipway::provisioner {
namespace {

namespace fs = std::filesystem;

constexpr std::array kUsual{".git/",       ".hg/",      ".svn/", ".terraform/", "*.tfstate",
                            "*.tfstate.*", ".DS_Store", "*.swp", "__pycache__/"};
constexpr std::size_t kBlockBytes = 64 << 10;

struct FreeWriter {
  void operator()(::archive* writer) const { ::archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(::archive_entry* entry) const { ::archive_entry_free(entry); }
};

class Writer {
 public:
  explicit Writer(const fs::path& file) : archive_(::archive_write_new()) {
    ::archive_write_add_filter_gzip(archive_.get());
    ::archive_write_set_filter_option(archive_.get(), "gzip", "timestamp", nullptr);
    ::archive_write_set_format_pax_restricted(archive_.get());
    check(::archive_write_open_filename(archive_.get(), file.c_str()));
  }

  void add_directory(const std::string& path) { add(path + '/', AE_IFDIR, 0755, 0, {}); }
  void add_link(const std::string& path, const std::string& target) { add(path, AE_IFLNK, 0777, 0, target); }
  void add_file(const std::string& path, const fs::path& source, std::int64_t size, bool executable) {
    add(path, AE_IFREG, executable ? 0755 : 0644, size, {});
    std::ifstream file(source, std::ios::binary);
    std::string block(kBlockBytes, '\0');
    std::int64_t rest = size;
    while (rest > 0 && file.read(block.data(), std::min<std::int64_t>(rest, kBlockBytes)).gcount() > 0) {
      check(::archive_write_data(archive_.get(), block.data(), std::size_t(file.gcount())) < 0 ? ARCHIVE_FATAL
                                                                                               : ARCHIVE_OK);
      rest -= file.gcount();
    }
    if (rest > 0)
      throw base::Error(base::ErrorClass::user, "ARCHIVE_INVALID",
                        "'" + path + "' cannot be read, or changes just now");
  }
  void finish() { check(::archive_write_close(archive_.get())); }

 private:
  void add(const std::string& path, unsigned type, unsigned mode, std::int64_t size, const std::string& target) {
    const std::unique_ptr<::archive_entry, FreeEntry> entry(::archive_entry_new());
    ::archive_entry_set_pathname_utf8(entry.get(), path.c_str());
    if (!target.empty()) ::archive_entry_set_symlink_utf8(entry.get(), target.c_str());
    ::archive_entry_set_filetype(entry.get(), type);
    ::archive_entry_set_perm(entry.get(), mode_t(mode));
    ::archive_entry_set_size(entry.get(), size);
    ::archive_entry_set_mtime(entry.get(), 0, 0);
    check(::archive_write_header(archive_.get(), entry.get()));
  }
  void check(int result) {
    if (result == ARCHIVE_OK || result == ARCHIVE_WARN) return;
    const char* reason = ::archive_error_string(archive_.get());
    throw base::internal_error(std::string("the archive cannot be written: ") + (reason != nullptr ? reason : "?"));
  }

  std::unique_ptr<::archive, FreeWriter> archive_;
};

class Packing {
 public:
  Packing(Writer& writer, const IgnoreRules& ignored, const ArchiveLimits& limits, const fs::path& output)
      : writer_(writer), ignored_(ignored), limits_(limits), entries_(limits), output_(output) {}

  void add_contents(const fs::path& directory, const std::string& prefix) {
    std::vector<fs::path> children;
    for (const auto& child : fs::directory_iterator(directory)) children.push_back(child.path());
    std::ranges::sort(children);
    for (const auto& child : children) add(child, prefix + child.filename().string());
  }
  std::vector<std::string> take_files() { return std::move(files_); }

 private:
  void add(const fs::path& child, const std::string& name) {
    struct stat facts;
    if (::lstat(child.c_str(), &facts) != 0) throw base::system_error("look at " + child.string(), errno);
    if (ignored_.ignores(name, S_ISDIR(facts.st_mode))) return;
    if (std::error_code none; fs::equivalent(child, output_, none)) return;
    const std::string path = normal_path(name, limits_);
    if (S_ISDIR(facts.st_mode)) {
      entries_.add(path, EntryKind::directory);
      writer_.add_directory(path);
      add_contents(child, path + '/');
    } else if (S_ISLNK(facts.st_mode)) {
      const std::string target = fs::read_symlink(child).string();
      check_link(path, target);
      entries_.add(path, EntryKind::link);
      writer_.add_link(path, target);
    } else if (S_ISREG(facts.st_mode)) {
      entries_.add(path, EntryKind::file);
      entries_.add_bytes(facts.st_size);
      writer_.add_file(path, child, facts.st_size, (facts.st_mode & 0111) != 0);
      files_.push_back(path);
    } else {
      throw unsafe_archive(path, "is neither a file nor a folder nor a link");
    }
  }

  Writer& writer_;
  const IgnoreRules& ignored_;
  const ArchiveLimits limits_;
  Entries entries_;
  const fs::path output_;
  std::vector<std::string> files_;
};

// The first name of a path, which is taken off it; the last one leaves nothing.
std::string take_name(std::string_view& path) {
  const std::size_t end = std::min(path.find('/'), path.size());
  std::string name(path.substr(0, end));
  path.remove_prefix(std::min(end + 1, path.size()));
  return name;
}

// A pattern with a slash is one of the whole path, name by name; `**` stands for any number of them, at the end for at
// least one.
bool fits(std::string_view pattern, std::string_view path) {
  if (pattern.empty() || path.empty()) return pattern.empty() && path.empty();
  const auto wanted = take_name(pattern);
  if (wanted != "**") return ::fnmatch(wanted.c_str(), take_name(path).c_str(), 0) == 0 && fits(pattern, path);
  if (pattern.empty()) return true;
  for (; !path.empty(); take_name(path))
    if (fits(pattern, path)) return true;
  return false;
}

bool fits_below(std::string_view pattern, std::string_view path) {
  for (; !path.empty(); take_name(path))
    if (fits(pattern, path)) return true;
  return false;
}

}  // namespace

IgnoreRules IgnoreRules::usual() {
  IgnoreRules rules;
  for (const char* rule : kUsual) rules.add(rule);
  return rules;
}

void IgnoreRules::add_file_of(const fs::path& directory) {
  std::ifstream file(directory / ".slipwayignore");
  for (std::string line; std::getline(file, line);) add(line);
}

void IgnoreRules::add(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  if (text.empty() || text.starts_with('#')) return;
  Rule rule;
  if (text.starts_with('!')) {
    rule.negated = true;
    text.remove_prefix(1);
  }
  if (text.ends_with('/')) {
    rule.directories_only = true;
    text.remove_suffix(1);
  }
  // A slash within the rule means a path from the top, unless it says that any folder may stand before.
  const bool anywhere = text.starts_with("**/");
  if (anywhere) text.remove_prefix(3);
  rule.anchored = !anywhere && text.find('/') != text.npos;
  if (text.starts_with('/')) text.remove_prefix(1);
  rule.pattern = text;
  if (!rule.pattern.empty()) rules_.push_back(std::move(rule));
}

bool IgnoreRules::ignores(std::string_view path, bool is_directory) const {
  bool ignored = false;
  for (const auto& rule : rules_) {
    if (rule.directories_only && !is_directory) continue;
    const bool hit = rule.anchored ? fits(rule.pattern, path) : fits_below(rule.pattern, path);
    if (hit) ignored = !rule.negated;
  }
  return ignored;
}

std::vector<std::string> pack(const fs::path& directory, const fs::path& file, const IgnoreRules& ignored,
                              const ArchiveLimits& limits) {
  if (!fs::is_directory(directory))
    throw base::Error(base::ErrorClass::user, "DIRECTORY_NOT_FOUND", "'" + directory.string() + "' is not a folder");
  Writer writer(file);
  Packing packing(writer, ignored, limits, file);
  packing.add_contents(directory, "");
  writer.finish();
  return packing.take_files();
}

}  // namespace slipway::provisioner
