# hilbert_add_decoder: generate a decoder and add it to a target. One file, free to copy into a project.
#
#   hilbert_add_decoder(TARGET app CONFIG depth.toml [MODEL depth.tflite] [SET curve.order=2 ...] [OUTPUT_DIR dir])
#       Runs hilbert-codegen when the configuration, the model or the tool changed, and compiles the result into app.
#       HILBERT_CODEGEN is the command; without it, hilbert-codegen is searched on PATH.
#
#   hilbert_add_decoder(TARGET app COMMITTED dir [CONFIG depth.toml] [MODEL depth.tflite] [SET ...])
#       Compiles the files that are committed in dir. Needs no Python. With CONFIG, and where the tool is found, a
#       target app-decoder-check tells whether they are what the configuration gives.
#
# A target may have several decoders, each with a prefix of its own. Several targets, also of several folders, may share
# one decoder by the same OUTPUT_DIR; it is then generated once. TARGET may be a target of another folder.
cmake_minimum_required(VERSION 3.20)
include_guard(GLOBAL)

function(hilbert_add_decoder)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;CONFIG;MODEL;COMMITTED;OUTPUT_DIR" "SET")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "hilbert_add_decoder: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "hilbert_add_decoder: no value after: ${arg_KEYWORDS_MISSING_VALUES}")
  endif()
  _hilbert_codegen_check_target("${arg_TARGET}")
  if(NOT arg_CONFIG AND NOT arg_COMMITTED)
    message(FATAL_ERROR "hilbert_add_decoder: give CONFIG file.toml, or COMMITTED folder")
  endif()
  foreach(name CONFIG MODEL COMMITTED)
    if(arg_${name})
      get_filename_component(arg_${name} "${arg_${name}}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
      if(NOT EXISTS "${arg_${name}}")
        message(FATAL_ERROR "hilbert_add_decoder: ${name} ${arg_${name}} does not exist")
      endif()
    endif()
  endforeach()
  _hilbert_codegen_check_language(${arg_TARGET})
  set(options "")
  if(arg_MODEL)
    list(APPEND options --model "${arg_MODEL}")
  endif()
  foreach(setting IN LISTS arg_SET)
    string(REPLACE ";" "\\;" setting "${setting}")  # names of tensors may have semicolons
    list(APPEND options --set "${setting}")
  endforeach()
  if(arg_CONFIG)
    get_filename_component(stem "${arg_CONFIG}" NAME_WE)
    string(MAKE_C_IDENTIFIER "${stem}" stem)
  endif()

  if(arg_COMMITTED)
    file(GLOB sources CONFIGURE_DEPENDS "${arg_COMMITTED}/*_decoder.c")
    if(NOT sources)
      message(FATAL_ERROR "hilbert_add_decoder: no *_decoder.c in ${arg_COMMITTED}; run hilbert-codegen generate")
    endif()
    _hilbert_codegen_compile(${arg_TARGET} "${arg_COMMITTED}" ${sources})
    if(arg_CONFIG)
      _hilbert_codegen_command(command OPTIONAL)
      if(command)
        _hilbert_codegen_free_name(check "${arg_TARGET}-${stem}-decoder-check")
        add_custom_target(${check}
          COMMAND ${command} check "${arg_CONFIG}" ${options} -o "${arg_COMMITTED}"
          VERBATIM)
        if(NOT TARGET ${arg_TARGET}-decoder-check)
          add_custom_target(${arg_TARGET}-decoder-check)
        endif()
        add_dependencies(${arg_TARGET}-decoder-check ${check})
      endif()
    endif()
    return()
  endif()

  _hilbert_codegen_command(command)
  if(arg_OUTPUT_DIR)
    get_filename_component(arg_OUTPUT_DIR "${arg_OUTPUT_DIR}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_BINARY_DIR}")
  else()
    set(arg_OUTPUT_DIR "${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}-${stem}-decoder")
  endif()
  # The names of the files depend on the configuration's prefix: ask, and ask again when it changes.
  execute_process(
    COMMAND ${command} generate "${arg_CONFIG}" ${options} -o "${arg_OUTPUT_DIR}" --list-outputs -q
    OUTPUT_VARIABLE outputs RESULT_VARIABLE status ERROR_VARIABLE problem OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "hilbert_add_decoder: ${problem}")
  endif()
  string(REPLACE "\n" ";" outputs "${outputs}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${arg_CONFIG}")

  # One rule for each set of files, in a target of its own: the targets that compile them wait for it, wherever they
  # are, and two of them never run it at once.
  string(SHA256 key "${outputs}")
  get_property(generation GLOBAL PROPERTY HILBERT_CODEGEN_TARGET_${key})
  get_property(known GLOBAL PROPERTY HILBERT_CODEGEN_REQUEST_${key})
  string(JOIN " " request "${arg_CONFIG}" ${options})
  if(generation)
    if(NOT known STREQUAL request)
      message(FATAL_ERROR "hilbert_add_decoder: ${arg_OUTPUT_DIR} is to hold one decoder of two requests, ${known} and "
                          "${request}; give another OUTPUT_DIR, or another code.prefix")
    endif()
  else()
    _hilbert_codegen_free_name(generation "${arg_TARGET}-${stem}-decoder")
    set(depfile "${CMAKE_CURRENT_BINARY_DIR}/${generation}.d")
    # The tool leaves files alone whose bytes stay the same; touch them, or the build system would ask for ever.
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${command} generate "${arg_CONFIG}" ${options} -o "${arg_OUTPUT_DIR}" --depfile "${depfile}" -q
      COMMAND "${CMAKE_COMMAND}" -E touch ${outputs}
      DEPENDS "${arg_CONFIG}" ${arg_MODEL}
      DEPFILE "${depfile}"
      COMMENT "Decoder of ${arg_CONFIG}"
      VERBATIM)
    add_custom_target(${generation} DEPENDS ${outputs})
    set_property(GLOBAL PROPERTY HILBERT_CODEGEN_TARGET_${key} "${generation}")
    set_property(GLOBAL PROPERTY HILBERT_CODEGEN_REQUEST_${key} "${request}")
  endif()
  _hilbert_codegen_compile(${arg_TARGET} "${arg_OUTPUT_DIR}" ${outputs})
  set_source_files_properties(${outputs} TARGET_DIRECTORY ${arg_TARGET} PROPERTIES GENERATED TRUE)
  add_dependencies(${arg_TARGET} ${generation})
endfunction()

# Stop with the reason where `target` is none that compiles files.
function(_hilbert_codegen_check_target target)
  if(NOT target OR NOT TARGET ${target})
    message(FATAL_ERROR "hilbert_add_decoder: TARGET '${target}' is no target; add_executable or add_library first")
  endif()
  get_target_property(aliased ${target} ALIASED_TARGET)
  if(aliased)
    message(FATAL_ERROR "hilbert_add_decoder: TARGET '${target}' is an ALIAS; name the target itself, ${aliased}")
  endif()
  get_target_property(imported ${target} IMPORTED)
  get_target_property(type ${target} TYPE)
  if(imported OR NOT type MATCHES "^(EXECUTABLE|(STATIC|SHARED|MODULE|OBJECT)_LIBRARY)$")
    message(FATAL_ERROR "hilbert_add_decoder: TARGET '${target}' compiles nothing (INTERFACE, IMPORTED or a custom "
                        "target); name an executable, or a STATIC, SHARED, MODULE or OBJECT library")
  endif()
endfunction()

# Stop where the folder of `target` has not enabled C: CMake would leave the .c files out without a word.
function(_hilbert_codegen_check_language target)
  get_target_property(folder ${target} SOURCE_DIR)
  get_directory_property(c DIRECTORY "${folder}" DEFINITION CMAKE_C_COMPILER_LOADED)
  if(NOT c)
    message(FATAL_ERROR "hilbert_add_decoder: the decoder is C, and ${folder} compiles no C; write "
                        "project(... LANGUAGES C CXX) or enable_language(C) there")
  endif()
endfunction()

# Add the files to the target, unless it has files of the same names from another folder: then their functions, and
# headers, are two of one name.
function(_hilbert_codegen_compile target folder)
  get_target_property(have ${target} HILBERT_CODEGEN_FILES)
  if(NOT have)
    set(have "")
  endif()
  foreach(file IN LISTS ARGN)
    get_filename_component(name "${file}" NAME)
    foreach(other IN LISTS have)
      get_filename_component(other_name "${other}" NAME)
      if(name STREQUAL other_name AND NOT file STREQUAL other)
        message(FATAL_ERROR "hilbert_add_decoder: TARGET '${target}' has two decoders of one name, ${other} and "
                            "${file}; give each its own code.prefix")
      endif()
    endforeach()
    list(APPEND have "${file}")
  endforeach()
  set_target_properties(${target} PROPERTIES HILBERT_CODEGEN_FILES "${have}")
  target_sources(${target} PRIVATE ${ARGN})
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${folder}>")
endfunction()

# `name`, or the first of name-2, name-3, ... that is no target yet.
function(_hilbert_codegen_free_name result name)
  set(free "${name}")
  set(number 1)
  while(TARGET "${free}")
    math(EXPR number "${number} + 1")
    set(free "${name}-${number}")
  endwhile()
  set(${result} "${free}" PARENT_SCOPE)
endfunction()

# The command that runs the tool, as a list. OPTIONAL: empty instead of an error where there is none.
function(_hilbert_codegen_command result)
  if(NOT HILBERT_CODEGEN)
    find_program(HILBERT_CODEGEN hilbert-codegen DOC "The command that runs hilbert-codegen")
  endif()
  if(NOT HILBERT_CODEGEN)
    if(NOT "OPTIONAL" IN_LIST ARGN)
      message(FATAL_ERROR "hilbert-codegen is not on PATH: pip install hilbert_codegen, set HILBERT_CODEGEN to the "
                          "command, or use COMMITTED with generated files")
    endif()
    set(${result} "" PARENT_SCOPE)
  else()
    set(${result} ${HILBERT_CODEGEN} PARENT_SCOPE)
  endif()
endfunction()
