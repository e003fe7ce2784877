import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type NvidiaSmiGpu, type NvidiaSmiReport, type NvidiaSmiResult, parseNvidiaSmi } from './index.ts';

const head = '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">\n';

function wrap(body: string): string {
  return `${head}<nvidia_smi_log>${body}</nvidia_smi_log>`;
}

function parse(text: string): NvidiaSmiReport {
  const result = parseNvidiaSmi(text);
  if (!result.ok) throw new Error(`${result.code}: ${result.message}`);
  return result.value;
}

function parseGpu(body: string): NvidiaSmiGpu {
  const gpu = parse(wrap(`<gpu id="00000000:01:00.0">${body}</gpu>`)).gpus[0];
  if (gpu === undefined) throw new Error('expected a GPU');
  return gpu;
}

function codeOf(result: NvidiaSmiResult): string {
  if (result.ok) return 'OK';
  expect(result.message).not.toBe('');
  expect(result.message.length).toBeLessThan(400);
  expect(result.hint).not.toBe('');
  return result.code;
}

const t4 = readFileSync(new URL('../../../test/fixtures/nvidia-smi/tesla-t4.xml', import.meta.url), 'utf8');

describe('layouts of other drivers', () => {
  test('sums the split SRAM counters and the old per-location ones', () => {
    const split = parseGpu(
      `<ecc_errors><volatile><sram_correctable>1</sram_correctable>
       <sram_uncorrectable_parity>2</sram_uncorrectable_parity>
       <sram_uncorrectable_secded>3</sram_uncorrectable_secded><dram_correctable>4</dram_correctable>
       <dram_uncorrectable>5</dram_uncorrectable></volatile>
       <aggregate><sram_threshold_exceeded>Yes</sram_threshold_exceeded></aggregate></ecc_errors>`,
    ).ecc;
    expect(split.volatile).toMatchObject({ sramUncorrectable: 5, correctable: 5, uncorrectable: 10 });
    expect(split.aggregate).toMatchObject({ sramThresholdExceeded: true, uncorrectable: undefined });
    const old = parseGpu(
      `<ecc_errors><volatile><single_bit><device_memory>7</device_memory><l2_cache>N/A</l2_cache>
       <total>7</total></single_bit><double_bit><device_memory>1</device_memory>
       <register_file>2</register_file></double_bit></volatile></ecc_errors>`,
    ).ecc.volatile;
    expect(old).toMatchObject({ correctable: 7, uncorrectable: 3 });
    expect(old.singleBit).toMatchObject({ deviceMemory: 7, l2Cache: undefined });
  });

  test('reads a draw that only the module reports', () => {
    const gpu = parseGpu(
      `<gpu_power_readings><average_power_draw>N/A</average_power_draw><instant_power_draw>98.5 W</instant_power_draw>
       </gpu_power_readings><module_power_readings><power_draw>612.25 W</power_draw>
       <current_power_limit>1000.00 W</current_power_limit></module_power_readings>`,
    );
    expect(gpu.power).toMatchObject({ drawWatts: 98.5, averageDrawWatts: undefined, limitWatts: undefined });
    expect(gpu.modulePower).toMatchObject({ drawWatts: 612.25, limitWatts: 1000 });
  });

  test('takes the newer names of the driver and CUDA versions', () => {
    const report = parse(
      wrap('<kmd_version>610.57.04</kmd_version><cuda_umd_version>13.3</cuda_umd_version>'),
    );
    expect(report).toMatchObject({ driverVersion: '610.57.04', cudaVersion: '13.3', gpus: [] });
    expect(parse(wrap('<cuda_version>Not Found</cuda_version>')).cudaVersion).toBeUndefined();
  });

  test('reads MIG slices and their processes by instance', () => {
    const gpu = parseGpu(
      `<mig_mode><current_mig>Enabled</current_mig><pending_mig>Disabled</pending_mig></mig_mode>
       <mig_devices><mig_device><index>0</index><uuid>MIG-1</uuid><gpu_instance_id>9</gpu_instance_id>
       <compute_instance_id>1</compute_instance_id><fb_memory_usage><total>9856 MiB</total></fb_memory_usage>
       </mig_device></mig_devices>
       <processes><process_info><gpu_instance_id>9</gpu_instance_id><compute_instance_id>1</compute_instance_id>
       <pid>12</pid><type>C</type><process_name>a</process_name><used_memory>N/A</used_memory></process_info>
       <process_info><pid>N/A</pid></process_info></processes>`,
    );
    expect(gpu.mig).toMatchObject({ enabled: true, enabledPending: false });
    expect(gpu.mig.devices[0]).toMatchObject({ uuid: 'MIG-1', gpuInstanceId: 9, computeInstanceId: 1 });
    expect(gpu.mig.devices[0]?.memory.totalBytes).toBe(9856 * 1024 ** 2);
    expect(gpu.processes).toEqual([
      { pid: 12, type: 'C', name: 'a', usedMemoryBytes: undefined, gpuInstanceId: 9, computeInstanceId: 1 },
    ]);
  });

  test('reads throttle reasons it does not know', () => {
    const { throttle } = parseGpu(
      `<clocks_event_reasons><clocks_event_reason_sw_power_cap>Active</clocks_event_reason_sw_power_cap>
       <clocks_event_reason_new_thing>Active</clocks_event_reason_new_thing>
       <clocks_event_reason_hw_slowdown>N/A</clocks_event_reason_hw_slowdown></clocks_event_reasons>`,
    );
    expect(throttle).toMatchObject({
      swPowerCap: true,
      hwSlowdown: undefined,
      active: ['sw_power_cap', 'new_thing'],
    });
  });

  test('reads the memory of drivers that had one, and the licence of a vGPU', () => {
    const gpu = parseGpu(
      `<memory_usage><total>4799 MB</total></memory_usage><vgpu_software_licensed_product>
       <licensed_product_name>NVIDIA RTX Virtual Workstation</licensed_product_name>
       <license_status>Licensed (Expiry: N/A)</license_status></vgpu_software_licensed_product>
       <compute_cap>9.0</compute_cap>`,
    );
    expect(gpu.memory.totalBytes).toBe(4799 * 1024 ** 2);
    expect(gpu.virtualization.licenseStatus).toBe('Licensed (Expiry: N/A)');
    expect(gpu.computeCapability).toBe('9.0');
  });

  test('keeps several GPUs in order', () => {
    const gpus = parse(wrap('<gpu id="a"><uuid>GPU-1</uuid></gpu><gpu id="b"><uuid>GPU-2</uuid></gpu>')).gpus;
    expect(gpus.map(({ uuid, pci }) => [uuid, pci.busId])).toEqual([
      ['GPU-1', 'a'],
      ['GPU-2', 'b'],
    ]);
  });
});

describe('readings that are none', () => {
  test.each([
    'N/A',
    '[N/A]',
    '[Not Supported]',
    'Requested functionality has been deprecated',
    '',
    '12 parsecs',
    '-4 %',
  ])('%j is undefined and no fault', (text) => {
    const gpu = parseGpu(`<fan_speed>${text}</fan_speed>`);
    expect(gpu.fanRatio).toBeUndefined();
    expect(gpu.faults).toEqual([]);
  });

  test.each(['ERR!', '[Unknown Error]', 'Unknown Error', 'GPU is lost', '[GPU requires reset]'])(
    '%j is undefined and a fault',
    (text) => {
      const gpu = parseGpu(`<uuid>${text}</uuid><utilization><gpu_util>${text}</gpu_util></utilization>`);
      expect(gpu.utilization.gpuRatio).toBeUndefined();
      expect(gpu.uuid).toBeUndefined();
      expect(gpu.pci.busId).toBe('00000000:01:00.0');
      expect(gpu.faults).toEqual([
        { path: 'uuid', text },
        { path: 'utilization.gpu_util', text },
      ]);
    },
  );

  test('what the driver asks for is a fault', () => {
    const gpu = parseGpu(
      `<gpu_recovery_action>Node Reboot</gpu_recovery_action><gpu_reset_status><reset_required>Yes</reset_required>
       </gpu_reset_status><remapped_rows><remapped_row_failure>Yes</remapped_row_failure></remapped_rows>`,
    );
    expect(gpu.faults.map(({ path }) => path)).toEqual([
      'gpu_recovery_action',
      'gpu_reset_status.reset_required',
      'remapped_rows.remapped_row_failure',
    ]);
  });

  test('the list of faults is bounded', () => {
    expect(parseGpu('<fan_speed>ERR!</fan_speed>'.repeat(1000)).faults).toHaveLength(64);
  });

  test('a process that is called like an error is none', () => {
    const name = '<process_name>ERR!</process_name>';
    expect(
      parseGpu(`<processes><process_info><pid>1</pid>${name}</process_info></processes>`).faults,
    ).toEqual([]);
  });
});

describe('text that is not only a report', () => {
  test('skips what stands around the XML, and keeps the GPU that it says is lost', () => {
    const lost = 'Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.';
    const noise = 'WARNING: some log line with <angle> & error\n';
    const report = parse(`${noise}${lost}\n${wrap('<gpu><uuid>GPU-1</uuid></gpu>')}\ntrailing <text`);
    expect(report.schemaVersion).toBe(13);
    expect(report.gpus.map(({ uuid }) => uuid)).toEqual(['GPU-1']);
    expect(report.faults).toEqual([{ path: '', text: lost }]);
  });

  test('reads the first of several reports', () => {
    const report = parse(wrap('<attached_gpus>1</attached_gpus>') + wrap('<attached_gpus>2</attached_gpus>'));
    expect(report.attachedGpus).toBe(1);
  });

  test('reads process names that are no XML', () => {
    const name = `sh -c 'a && b' <defunct> &amp; </b> "x"`;
    const gpu = parseGpu(
      `<processes><process_info><pid>7</pid><process_name>${name}</process_name><used_memory>3 MiB</used_memory>
       </process_info></processes><serial>after</serial>`,
    );
    expect(gpu.processes[0]).toMatchObject({
      name: `sh -c 'a && b' <defunct> & </b> "x"`,
      usedMemoryBytes: 3_145_728,
    });
    expect(gpu.serial).toBe('after');
  });
});

describe('refusals', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['EMPTY_INPUT', 'nothing', ''],
    ['EMPTY_INPUT', 'white space', ' \n\t'],
    ['NO_DEVICES', 'no devices', 'No devices were found\n'],
    ['GPU_LOST', 'a lost GPU', 'Unable to determine the device handle for GPU0000:01:00.0: Unknown Error'],
    ['DRIVER_MISMATCH', 'two driver versions', 'Failed to initialize NVML: Driver/library version mismatch'],
    [
      'DRIVER_UNAVAILABLE',
      'no driver',
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
    ],
    ['NOT_NVIDIA_SMI', 'other text', 'bash: nvidia-smi: command not found'],
    ['NOT_NVIDIA_SMI', 'other XML', '<?xml version="1.0"?><html></html>'],
    ['NOT_NVIDIA_SMI', 'a like-named root', '<nvidia_smi_logs></nvidia_smi_logs>'],
    ['TRUNCATED_XML', 'a cut report', t4.slice(0, 5000)],
    ['TRUNCATED_XML', 'a report without its last character', t4.trimEnd().slice(0, -1)],
    ['TRUNCATED_XML', 'a head only', head],
    ['TRUNCATED_XML', 'a declaration only', '<?xml version="1.0" ?>\n<!DOCTY'],
    ['MALFORMED_XML', 'a missing end tag', wrap('<gpu><uuid>GPU-1</gpu>')],
    ['MALFORMED_XML', 'deep nesting', wrap(`${'<a>'.repeat(100)}${'</a>'.repeat(100)}`)],
    ['MALFORMED_XML', 'a tag with very many attributes', wrap(`<gpu ${'a="b" '.repeat(1000)}></gpu>`)],
    ['UNSAFE_XML', 'a prototype tag', wrap('<__proto__><gpu></gpu></__proto__>')],
    ['UNSAFE_XML', 'a constructor tag', wrap('<gpu><constructor>1</constructor></gpu>')],
    ['UNSAFE_XML', 'entities', `<!DOCTYPE nvidia_smi_log [<!ENTITY a "b">]>${wrap('')}`],
    ['UNSAFE_XML', 'an internal subset', `<!DOCTYPE nvidia_smi_log [ ]>${wrap('')}`],
    ['UNSAFE_XML', 'a DOCTYPE inside', wrap('<!DOCTYPE a [<!ENTITY b "c">]><gpu></gpu>')],
  ];
  test.each(cases)('%s for %s', (code, _name, text) => {
    expect(codeOf(parseNvidiaSmi(text))).toBe(code);
  });

  test('expands no entity', () => {
    const lines = Array.from({ length: 10 }, (_, n) => `<!ENTITY e${n + 1} "&e${n};&e${n};&e${n};&e${n};">`);
    const bomb = `<!DOCTYPE nvidia_smi_log [<!ENTITY e0 "ha">${lines.join('')}]>`;
    expect(codeOf(parseNvidiaSmi(`${bomb}<nvidia_smi_log>&e10;</nvidia_smi_log>`))).toBe('UNSAFE_XML');
    expect(parseGpu('<serial>&e10; &lt; &#65;</serial>').serial).toBe('&e10; < &#65;');
  });

  test('is not led astray by tags named like methods', () => {
    const gpu = parseGpu('<hasOwnProperty>1</hasOwnProperty><toString>2</toString><uuid>GPU-1</uuid>');
    expect(gpu.uuid).toBe('GPU-1');
    expect(Object.hasOwn(Object.prototype, 'gpu')).toBe(false);
  });

  test('refuses more than 8 MiB, and reads 8 MiB', () => {
    const limit = 8 * 1024 * 1024;
    const report = wrap('<attached_gpus>1</attached_gpus>');
    expect(codeOf(parseNvidiaSmi('x'.repeat(50_000_000)))).toBe('INPUT_TOO_LARGE');
    expect(parse('x'.repeat(limit - report.length) + report).attachedGpus).toBe(1);
    expect(codeOf(parseNvidiaSmi('x'.repeat(limit - report.length + 1) + report))).toBe('INPUT_TOO_LARGE');
    expect(codeOf(parseNvidiaSmi('€'.repeat(limit / 3 + 1)))).toBe('INPUT_TOO_LARGE');
  });

  test('refuses more tags or GPUs than a machine has', () => {
    expect(codeOf(parseNvidiaSmi(wrap('<a/>'.repeat(200_000))))).toBe('INPUT_TOO_LARGE');
    expect(codeOf(parseNvidiaSmi(wrap('<gpu></gpu>'.repeat(257))))).toBe('INPUT_TOO_LARGE');
    expect(parse(wrap('<gpu></gpu>'.repeat(256))).gpus).toHaveLength(256);
  });

  test('refuses what is no string', () => {
    // A caller without types: the point is that even this returns a code.
    const parseAnything = parseNvidiaSmi as (input: unknown) => NvidiaSmiResult;
    for (const input of [undefined, null, 7, {}, Buffer.from('x')]) {
      expect(codeOf(parseAnything(input))).toBe('INVALID_INPUT');
    }
  });
});
