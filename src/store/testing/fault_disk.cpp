#include "store/testing/fault_disk.h"

#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"

namespace slipway::store::testing {
namespace {

struct FaultFile {
  sqlite3_file base;
  FaultDisk* disk;
  sqlite3_file* real;  // lies behind this
  const char* path;    // SQLite keeps it for as long as the file is open; null for temporary files
};

sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<FaultFile*>(file)->real; }
FaultDisk& disk(sqlite3_file* file) { return *reinterpret_cast<FaultFile*>(file)->disk; }
std::string path(sqlite3_file* file) {
  const char* path = reinterpret_cast<FaultFile*>(file)->path;
  return path ? path : "";
}
FaultDisk& disk(sqlite3_vfs* vfs) { return *static_cast<FaultDisk*>(vfs->pAppData); }
sqlite3_vfs* default_vfs = nullptr;

// A call that may fail with `code`, and otherwise is the default one's.
#define FAILING(method, code, parameters, ...)                                  \
  int method parameters {                                                       \
    if (disk(file).strikes(FaultDisk::Kind::other)) return code;                \
    return real(file)->pMethods->method(real(file) __VA_OPT__(, ) __VA_ARGS__); \
  }

FAILING(xRead, SQLITE_IOERR_READ, (sqlite3_file * file, void* data, int size, sqlite3_int64 at), data, size, at)
FAILING(xFileSize, SQLITE_IOERR_FSTAT, (sqlite3_file * file, sqlite3_int64* size), size)
FAILING(xLock, SQLITE_IOERR_LOCK, (sqlite3_file * file, int level), level)
FAILING(xCheckReservedLock, SQLITE_IOERR_CHECKRESERVEDLOCK, (sqlite3_file * file, int* is_reserved), is_reserved)
FAILING(xShmMap, SQLITE_IOERR_SHMMAP, (sqlite3_file * file, int page, int size, int extend, void volatile** memory),
        page, size, extend, memory)

int xShmLock(sqlite3_file* file, int offset, int count, int flags) {
  // Letting go does not fail.
  if ((flags & SQLITE_SHM_LOCK) && disk(file).strikes(FaultDisk::Kind::other)) return SQLITE_IOERR_SHMLOCK;
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}

int xFileControl(sqlite3_file* file, int operation, void* argument) {
  // Hints and questions that the default file system does not know either may not fail in another way.
  const bool may_fail = operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_SYNC;
  if (may_fail && disk(file).strikes(FaultDisk::Kind::other)) return SQLITE_IOERR;
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}

int xWrite(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  const auto write = [&](int bytes) {
    disk(file).note_write(path(file), at, data, std::size_t(bytes));
    return real(file)->pMethods->xWrite(real(file), data, bytes, at);
  };
  if (!disk(file).strikes(FaultDisk::Kind::write)) return write(size);
  if (disk(file).trouble() == Trouble::disk_full) return SQLITE_FULL;
  if (disk(file).trouble() == Trouble::short_write) write(size / 2);
  return SQLITE_IOERR_WRITE;
}

int xTruncate(sqlite3_file* file, sqlite3_int64 size) {
  if (disk(file).strikes(FaultDisk::Kind::other)) return SQLITE_IOERR_TRUNCATE;
  disk(file).note_truncate(path(file), size);
  return real(file)->pMethods->xTruncate(real(file), size);
}

int xSync(sqlite3_file* file, int) {
  if (disk(file).strikes(FaultDisk::Kind::sync)) {
    if (disk(file).trouble() == Trouble::failed_sync) disk(file).note_failed_sync(path(file));
    return SQLITE_IOERR_FSYNC;
  }
  disk(file).note_sync(path(file));  // the kernel lives on: it need not sync
  return SQLITE_OK;
}

int xUnlock(sqlite3_file* file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
int xSectorSize(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int xDeviceCharacteristics(sqlite3_file* file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
void xShmBarrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int xShmUnmap(sqlite3_file* file, int remove) { return real(file)->pMethods->xShmUnmap(real(file), remove); }

int xClose(sqlite3_file* file) {
  const int code = real(file)->pMethods ? real(file)->pMethods->xClose(real(file)) : SQLITE_OK;
  file->pMethods = nullptr;
  return code;
}

// Version 2: with the shared memory of the log, without memory maps, whose writes could not be seen.
constexpr sqlite3_io_methods kMethods{.iVersion = 2,
                                      .xClose = xClose,
                                      .xRead = xRead,
                                      .xWrite = xWrite,
                                      .xTruncate = xTruncate,
                                      .xSync = xSync,
                                      .xFileSize = xFileSize,
                                      .xLock = xLock,
                                      .xUnlock = xUnlock,
                                      .xCheckReservedLock = xCheckReservedLock,
                                      .xFileControl = xFileControl,
                                      .xSectorSize = xSectorSize,
                                      .xDeviceCharacteristics = xDeviceCharacteristics,
                                      .xShmMap = xShmMap,
                                      .xShmLock = xShmLock,
                                      .xShmBarrier = xShmBarrier,
                                      .xShmUnmap = xShmUnmap};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_set) {
  auto* opened = reinterpret_cast<FaultFile*>(file);
  *opened = {.base = {nullptr}, .disk = &disk(vfs), .real = reinterpret_cast<sqlite3_file*>(opened + 1), .path = name};
  opened->real->pMethods = nullptr;
  if (opened->disk->strikes(FaultDisk::Kind::other)) return SQLITE_CANTOPEN;
  const int code = default_vfs->xOpen(default_vfs, name, opened->real, flags, flags_set);
  if (code != SQLITE_OK) return code;
  opened->disk->note_open(path(file));
  file->pMethods = &kMethods;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int sync) {
  if (disk(vfs).strikes(FaultDisk::Kind::other)) return SQLITE_IOERR_DELETE;
  const int code = default_vfs->xDelete(default_vfs, name, sync);
  if (code == SQLITE_OK) disk(vfs).note_delete(name);
  return code;
}

int access_file(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  if (disk(vfs).strikes(FaultDisk::Kind::other)) return SQLITE_IOERR_ACCESS;
  return default_vfs->xAccess(default_vfs, name, flags, result);
}

std::string content_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool can_befall(Trouble trouble, FaultDisk::Kind kind) {
  switch (trouble) {
    case Trouble::io_error:
      return true;
    case Trouble::disk_full:
    case Trouble::short_write:
      return kind == FaultDisk::Kind::write;
    case Trouble::failed_sync:
    case Trouble::power_cut:
      break;
  }
  return kind == FaultDisk::Kind::sync;
}

}  // namespace

FaultDisk::FaultDisk() : vfs_(std::make_unique<sqlite3_vfs>()) {
  SLIPWAY_ASSERT(!default_vfs);
  default_vfs = sqlite3_vfs_find(nullptr);
  *vfs_ = *default_vfs;  // time, randomness and paths are the default one's
  vfs_->zName = "slipway-fault-disk";
  vfs_->pAppData = this;
  vfs_->szOsFile = int(sizeof(FaultFile)) + default_vfs->szOsFile;
  vfs_->xOpen = open_file;
  vfs_->xDelete = delete_file;
  vfs_->xAccess = access_file;
  SLIPWAY_ASSERT(sqlite3_vfs_register(vfs_.get(), 1) == SQLITE_OK);
}

FaultDisk::~FaultDisk() {
  sqlite3_vfs_unregister(vfs_.get());
  sqlite3_vfs_register(default_vfs, 1);
  default_vfs = nullptr;
}

void FaultDisk::plan(Plan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = plan;
  calls_ = 0;
  struck_ = false;
}

void FaultDisk::heal() {
  const std::lock_guard lock(mutex_);
  plan_.nth = 0;
  plan_.lasting = false;
}

void FaultDisk::cut_power() {
  const std::lock_guard lock(mutex_);
  plan_ = {.trouble = Trouble::power_cut, .nth = 1};
  struck_ = true;
}

bool FaultDisk::has_struck() const {
  const std::lock_guard lock(mutex_);
  return struck_;
}

std::int64_t FaultDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

Trouble FaultDisk::trouble() const {
  const std::lock_guard lock(mutex_);
  return plan_.trouble;
}

bool FaultDisk::strikes(Kind kind) {
  const std::lock_guard lock(mutex_);
  if (plan_.nth > 0 && struck_ && plan_.trouble == Trouble::power_cut) return true;
  if (!can_befall(plan_.trouble, kind)) return false;
  ++calls_;
  const bool now = plan_.nth > 0 && (calls_ == plan_.nth || (plan_.lasting && calls_ > plan_.nth));
  struck_ = struck_ || now;
  return now;
}

void FaultDisk::note_open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  // What is there when it is first opened, is on the disk.
  if (!files_.contains(path)) files_[path].synced = content_of(path);
}

void FaultDisk::note_write(const std::string& path, std::int64_t offset, const void* data, std::size_t size) {
  const std::lock_guard lock(mutex_);
  files_[path].since.push_back({offset, std::string(static_cast<const char*>(data), size), false});
}

void FaultDisk::note_truncate(const std::string& path, std::int64_t size) {
  const std::lock_guard lock(mutex_);
  files_[path].since.push_back({size, "", true});
}

void FaultDisk::note_sync(const std::string& path) {
  const std::lock_guard lock(mutex_);
  File& file = files_[path];
  for (const Change& change : std::exchange(file.since, {})) apply(file.synced, change);
}

// As Linux does: the pages are clean from then on.
void FaultDisk::note_failed_sync(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_[path].since.clear();
}

void FaultDisk::note_delete(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_.erase(path);
}

void FaultDisk::apply(std::string& content, const Change& change) {
  const auto offset = std::size_t(change.offset);
  if (change.truncates) return content.resize(offset);
  content.resize(std::max(content.size(), offset + change.data.size()));
  content.replace(offset, change.data.size(), change.data);
}

void FaultDisk::restore(base::Random& random) {
  const std::lock_guard lock(mutex_);
  for (auto& [path, file] : files_) {
    for (const Change& change : std::exchange(file.since, {}))
      if (random.below(2) == 0) apply(file.synced, change);
    std::filesystem::remove(path + "-shm");  // memory
    std::ofstream(path, std::ios::binary | std::ios::trunc) << file.synced;
  }
}

}  // namespace slipway::store::testing
