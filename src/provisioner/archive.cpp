#include "provisioner/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "base/unique_fd.h"
#include "provisioner/archive_path.h"

namespace slipway::provisioner {
namespace {

constexpr std::size_t kBlockBytes = 64 << 10;

// Names are UTF-8, whatever locale the program was started with.
class Utf8Names {
 public:
  Utf8Names() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) before_ = ::uselocale(locale_);
  }
  ~Utf8Names() {
    if (locale_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  locale_t locale_;
  locale_t before_ = nullptr;
};

struct FreeReader {
  void operator()(::archive* reader) const { ::archive_read_free(reader); }
};
using Reader = std::unique_ptr<::archive, FreeReader>;

[[noreturn]] void fail_invalid(::archive* reader) {
  const char* reason = ::archive_error_string(reader);
  throw base::Error(base::ErrorClass::user, "ARCHIVE_INVALID",
                    std::string("the archive cannot be read: ") + (reason != nullptr ? reason : "unknown reason") +
                        " (tar, tar.gz and zip are understood)");
}

Reader open_archive(const std::filesystem::path& file) {
  Reader reader(::archive_read_new());
  if (!reader) throw base::internal_error("no memory to read an archive");
  ::archive_read_support_filter_gzip(reader.get());
  ::archive_read_support_format_tar(reader.get());
  ::archive_read_support_format_zip(reader.get());
  if (::archive_read_open_filename(reader.get(), file.c_str(), kBlockBytes) != ARCHIVE_OK) fail_invalid(reader.get());
  return reader;
}

// Makes the entries in one folder. Links come last, when nothing is written any more that could follow them.
class Unpacking {
 public:
  Unpacking(::archive* reader, const std::filesystem::path& directory, const ArchiveLimits& limits)
      : reader_(reader), limits_(limits), entries_(limits) {
    top_.reset(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!top_) throw base::system_error("open " + directory.string(), errno);
  }

  void add(::archive_entry* entry) {
    const char* name = ::archive_entry_pathname(entry);
    if (name == nullptr) name = ::archive_entry_pathname_utf8(entry);
    if (name == nullptr) throw unsafe_archive("(unreadable)", "has a name that is not UTF-8");
    const std::string path = normal_path(name, limits_);
    if (path.empty() && ::archive_entry_filetype(entry) != AE_IFDIR)
      throw unsafe_archive(name, "would take the place of the template's folder");
    if (const char* original = ::archive_entry_hardlink(entry)) return add_hard_link(path, original);
    switch (::archive_entry_filetype(entry)) {
      case AE_IFREG:
        return add_file(path, entry);
      case AE_IFDIR:
        return add_directory(path);
      case AE_IFLNK:
        return add_link(path, ::archive_entry_symlink(entry));
      default:
        throw unsafe_archive(path, "is neither a file nor a folder nor a link");
    }
  }

  void make_links() {
    for (const auto& [path, target] : links_)
      if (::symlinkat(target.c_str(), top_.get(), path.c_str()) != 0) throw base::system_error("link " + path, errno);
  }

 private:
  void make_parents(const std::string& path) {
    for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1))
      make_directory(path.substr(0, slash));
  }
  void make_directory(const std::string& path) {
    if (::mkdirat(top_.get(), path.c_str(), 0700) != 0 && errno != EEXIST)
      throw base::system_error("make folder " + path, errno);
  }

  void add_directory(const std::string& path) {
    if (path.empty()) return;
    entries_.add(path, EntryKind::directory);
    make_parents(path);
    make_directory(path);
  }

  void add_link(const std::string& path, const char* target) {
    check_link(path, target == nullptr ? "" : target);
    entries_.add(path, EntryKind::link);
    make_parents(path);
    links_[path] = target;
  }

  void add_hard_link(const std::string& path, const char* original) {
    const std::string existing = normal_path(original, limits_);
    if (!entries_.has_file(existing)) throw unsafe_archive(path, "is a link to what is no earlier file of the archive");
    if (path == existing) return;
    entries_.add(path, EntryKind::file);
    make_parents(path);
    ::unlinkat(top_.get(), path.c_str(), 0);
    if (::linkat(top_.get(), existing.c_str(), top_.get(), path.c_str(), 0) != 0)
      throw base::system_error("link " + path, errno);
  }

  void add_file(const std::string& path, ::archive_entry* entry) {
    entries_.add(path, EntryKind::file);
    make_parents(path);
    ::unlinkat(top_.get(), path.c_str(), 0);  // an archive that was appended to has the newer one later
    const mode_t mode = (::archive_entry_perm(entry) & 0111) != 0 ? 0700 : 0600;
    const base::UniqueFd file(
        ::openat(top_.get(), path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!file) throw base::system_error("write " + path, errno);
    fill_up(file.get(), path, copy_to(file.get(), path), entry);
  }

  // Counts what comes out, not what the archive says of itself.
  std::int64_t copy_to(int file, const std::string& path) {
    for (std::int64_t total = 0;;) {
      const la_ssize_t count = ::archive_read_data(reader_, block_.data(), block_.size());
      if (count < 0) fail_invalid(reader_);
      if (count == 0) return total;
      entries_.add_bytes(count);
      total += count;
      for (la_ssize_t written = 0; written < count;) {
        const ssize_t now = ::write(file, block_.data() + written, std::size_t(count - written));
        if (now < 0 && errno == EINTR) continue;
        if (now < 0) throw base::system_error("write " + path, errno);
        written += now;
      }
    }
  }

  // A hole at the end of a sparse file is not read, only its size is known.
  void fill_up(int file, const std::string& path, std::int64_t written, ::archive_entry* entry) {
    const std::int64_t size = ::archive_entry_size_is_set(entry) != 0 ? ::archive_entry_size(entry) : 0;
    if (size <= written) return;
    entries_.add_bytes(size - written);
    if (::ftruncate(file, size) != 0) throw base::system_error("write " + path, errno);
  }

  ::archive* reader_;
  const ArchiveLimits limits_;
  Entries entries_;
  base::UniqueFd top_;
  std::map<std::string, std::string> links_;
  std::string block_ = std::string(kBlockBytes, '\0');
};

}  // namespace

void unpack(const std::filesystem::path& archive, const std::filesystem::path& directory, const ArchiveLimits& limits) {
  const Utf8Names names;
  const Reader reader = open_archive(archive);
  Unpacking unpacking(reader.get(), directory, limits);
  for (;;) {
    ::archive_entry* entry = nullptr;
    const int result = ::archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail_invalid(reader.get());
    unpacking.add(entry);
  }
  unpacking.make_links();
}

}  // namespace slipway::provisioner
