*** Comments ***
What these tests prove: Renode executes the same number of instructions from reset to the program's last line in two runs,
and the DWT's cycle counter counts the same instructions when a block holds one instruction and its frequency is the
core's speed.

    hilbert-codegen run renode/boards.toml --emulator renode --keep build/firmware --board mps2-an386
    renode-test renode/counting.robot --variable FIRMWARE:$PWD/build/firmware

*** Settings ***
Suite Setup       Setup
Suite Teardown    Teardown
Test Setup        Reset Emulation
Test Teardown     Test Teardown
Resource          ${RENODEKEYWORDS}
Library           OperatingSystem

*** Variables ***
${FIRMWARE}       ${CURDIR}/../build/firmware
${IMAGE}          mps2-an386/default/run256.elf

*** Keywords ***
Run To The Last Line
    [Documentation]    Returns the instructions executed from reset to the program's last line, and the DWT's count.
    ${there}=    Run Keyword And Return Status    File Should Exist    ${FIRMWARE}/${IMAGE}
    Skip If    not ${there}    no image ${FIRMWARE}/${IMAGE}: make it with hilbert-codegen run --keep (see above)
    Execute Command    $name="mps2-an386"
    Execute Command    $bin=@${{"${FIRMWARE}/${IMAGE}".replace(" ", "\\ ")}}
    Execute Command    include @${{"${CURDIR}/cortex-m4.resc".replace(" ", "\\ ")}}
    Execute Command    cpu MaximumBlockSize 1
    Execute Command    sysbus WriteDoubleWord 0xE0001000 1
    Create Terminal Tester    sysbus.uart    timeout=60
    Wait For Line On Uart    HC end PASS    pauseEmulation=true
    ${executed}=    Execute Command    cpu ExecutedInstructions
    ${counted}=    Execute Command    sysbus ReadDoubleWord 0xE0001004
    ${instructions}=    Evaluate    int("${executed.strip()}", 16)
    ${cycles}=    Evaluate    int("${counted.strip()}", 16)
    RETURN    ${instructions}    ${cycles}

*** Test Cases ***
The Count Is Repeatable
    ${first}    ${ignored}=    Run To The Last Line
    Reset Emulation
    ${second}    ${ignored}=    Run To The Last Line
    Should Be Equal As Integers    ${first}    ${second}
    Should Be True    ${first} > 1000000
    Log To Console    ${\n}proved: ${first} instructions from reset to the last line, in both runs

The DWT Counts Instructions
    ${executed}    ${counted}=    Run To The Last Line
    Should Be Equal As Integers    ${executed}    ${counted}
    Log To Console    ${\n}proved: the DWT counted ${counted} cycles for ${executed} instructions
