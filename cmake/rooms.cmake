# How a room (a folder of src/) becomes a library and a test program. A new .cpp is picked up by itself.

add_library(slipway_options INTERFACE)
target_compile_options(slipway_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers -Wno-missing-designated-field-initializers -Wno-gnu-zero-variadic-macro-arguments
  -fno-omit-frame-pointer -fstack-protector-strong)
target_compile_definitions(slipway_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_DISABLE_BOOST_ARRAY SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL)
target_include_directories(slipway_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_include_directories(slipway_options SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/generated)
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_options(slipway_options INTERFACE -O2 -g1)
endif()

if(SLIPWAY_SANITIZER STREQUAL "address")
  target_compile_options(slipway_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -O1)
  target_link_options(slipway_options INTERFACE -fsanitize=address,undefined)
elseif(SLIPWAY_SANITIZER STREQUAL "thread")
  target_compile_options(slipway_options INTERFACE -fsanitize=thread -O1)
  target_link_options(slipway_options INTERFACE -fsanitize=thread)
endif()

# libcurl and libpq bring the shared OpenSSL: without this they would run on half of ours and half of theirs.
target_link_options(slipway_options INTERFACE -Wl,--exclude-libs,libssl.a:libcrypto.a)

find_program(LLD ld.lld-19)
if(LLD)
  target_link_options(slipway_options INTERFACE -fuse-ld=lld-19)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers need these: ccache compares the header's content instead of its time.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  target_compile_options(slipway_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()

find_package(Threads REQUIRED)
# What the agent program is made of is linked statically everywhere: it must run on machines that have none of it.
set(Boost_USE_STATIC_LIBS ON)
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(OpenSSL REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)  # header-only below: Debian has no static fmt
find_package(spdlog REQUIRED)
# Abseil's clocks of time zones. Debian's CMake files name its shared objects; the archives keep the program whole.
add_library(slipway_time_zones INTERFACE)
foreach(part IN ITEMS time civil_time time_zone strings strings_internal base spinlock_wait int128 throw_delegate
                      raw_logging_internal log_severity)
  find_library(ABSL_${part}_ARCHIVE libabsl_${part}.a REQUIRED)
  mark_as_advanced(ABSL_${part}_ARCHIVE)
  target_link_libraries(slipway_time_zones INTERFACE ${ABSL_${part}_ARCHIVE})
endforeach()
if(SLIPWAY_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# slipway_room(NAME [DEPENDS rooms and libraries...]): src/NAME becomes slipway_NAME; its *_test.cpp files become the
# program test_NAME, whose tests carry the label `unit`, or `simulation` if that is their suite's name. What is in its
# testing/ folder becomes slipway_NAME_testing, for the tests of this room and of all rooms above it.
function(slipway_room name)
  cmake_parse_arguments(ROOM "POSTGRES" "" "DEPENDS;EXCLUDE" ${ARGN})
  string(REPLACE "/" "_" target ${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  set(testing ${sources})
  list(FILTER testing INCLUDE REGEX "/testing/.*\\.cpp$")
  list(FILTER testing EXCLUDE REGEX "(_test|_main)\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "(_test\\.cpp|_main\\.cpp|/testing/.*\\.cpp)$")
  if(NOT sources)  # headers only
    add_library(slipway_${target} INTERFACE)
    target_link_libraries(slipway_${target} INTERFACE slipway_options ${ROOM_DEPENDS})
  else()
    add_library(slipway_${target} STATIC ${sources})
    target_link_libraries(slipway_${target} PUBLIC slipway_options ${ROOM_DEPENDS})
  endif()
  if(NOT sources)
  elseif(target STREQUAL "base")
    target_precompile_headers(slipway_base PRIVATE ${CMAKE_SOURCE_DIR}/src/base/precompiled.h)
  else()
    target_precompile_headers(slipway_${target} REUSE_FROM slipway_base)
  endif()
  if(SLIPWAY_TESTS)
    slipway_room_testing(${target} "${testing}" "${ROOM_DEPENDS}")
  endif()
  if(SLIPWAY_TESTS AND tests)
    add_executable(test_${target} ${tests})
    target_link_libraries(test_${target} PRIVATE slipway_${target}_testing GTest::gtest GTest::gmock GTest::gtest_main)
    target_precompile_headers(test_${target} REUSE_FROM slipway_base)
    # Suites named Simulation… are a floor of their own: thousands of seeds take their time.
    set(environment TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan_suppressions.txt)
    set(apart "Simulation*")
    if(ROOM_POSTGRES)
      string(APPEND apart ":*Postgres*")
      add_test(NAME ${target}_on_postgres COMMAND test_${target} --gtest_filter=*Postgres*)
      set_tests_properties(${target}_on_postgres PROPERTIES LABELS unit TIMEOUT 900 ENVIRONMENT ${environment})
    endif()
    # Asked for their names before anything runs: a program that is slow to load then would fail them all.
    set(discovery DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120)
    gtest_discover_tests(test_${target} ${discovery} TEST_FILTER "-${apart}"
                         PROPERTIES LABELS unit TIMEOUT 120 ENVIRONMENT ${environment})
    gtest_discover_tests(test_${target} ${discovery} TEST_FILTER "Simulation*"
                         TEST_LIST simulations_of_${target} PROPERTIES LABELS simulation TIMEOUT 900
                         ENVIRONMENT ${environment})
  endif()
endfunction()

function(slipway_room_testing target sources depends)
  set(kind INTERFACE)
  if(sources)
    add_library(slipway_${target}_testing STATIC EXCLUDE_FROM_ALL ${sources})
    target_precompile_headers(slipway_${target}_testing REUSE_FROM slipway_base)
    set(kind PUBLIC)
  else()
    add_library(slipway_${target}_testing INTERFACE)
  endif()
  target_link_libraries(slipway_${target}_testing ${kind} slipway_${target} GTest::gtest GTest::gmock)
  foreach(room IN LISTS depends)
    if(TARGET ${room}_testing)
      target_link_libraries(slipway_${target}_testing ${kind} ${room}_testing)
    endif()
  endforeach()
endfunction()
