# How tests are declared.
#
#   juxmem_unit_test(name SOURCES a_test.cc ... [LIBS juxmem_base ...] [THREADS])
#     A GoogleTest program, one entry of ctest with the label "unit". It also runs under the address and undefined
#     behaviour sanitizers; with THREADS under the thread sanitizer, too.
#
#   juxmem_house_test(name label timeout_s command [argument ...])
#     Any other command. Labels "job", "install", "build" and "chaos" have the machine for themselves.

add_custom_target(unit_tests)
add_custom_target(thread_tests)

function(juxmem_unit_test name)
  if(NOT JUXMEM_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "THREADS" "" "SOURCES;LIBS")
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gtest GTest::gtest_main Threads::Threads)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set(labels unit)
  add_dependencies(unit_tests ${name})
  if(arg_THREADS)
    list(APPEND labels threads)
    add_dependencies(thread_tests ${name})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 900)
endfunction()

function(juxmem_house_test name label timeout_s)
  if(NOT JUXMEM_TESTS)
    return()
  endif()
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout_s})
  if(label MATCHES "^(job|install|build|chaos)$")
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
  endif()
endfunction()
