import { describe, expect, it } from 'vitest';

import {
  besidePath,
  cellNumbers,
  chooseKernel,
  conversionCode,
  nameOf,
  notebookName,
  numberedName,
  placesText
} from './conversion';

describe('conversionCode', () => {
  it('writes texts, None and flags as Python', () => {
    const request = { name: 'a "b"\\é.ipynb', output: null };
    expect(conversionCode({ ...request, force: false, verify: true })).toBe(
      'from flownb.magics.shortcuts import convert_notebook; ' +
        'convert_notebook("a \\"b\\"\\\\é.ipynb", None, force=False, verify=True)'
    );
  });
});

describe('besidePath and nameOf', () => {
  it.each([
    ['a.ipynb', 'b.ipynb', 'b.ipynb'],
    ['work/deep/a.ipynb', 'b.ipynb', 'work/deep/b.ipynb'],
    ['drive:a.ipynb', 'b.ipynb', 'drive:b.ipynb'],
    ['drive:work/a.ipynb', 'b.ipynb', 'drive:work/b.ipynb']
  ])('put a file beside %s', (path, name, expected) => {
    expect(besidePath(path, name)).toBe(expected);
    expect(nameOf(expected)).toBe(name);
  });
});

describe('names of files', () => {
  it('get a number before what all have at their end', () => {
    expect(numberedName('a.b_flow.ipynb', 2)).toBe('a.b_2_flow.ipynb');
    expect(numberedName('a.ipynb', 2)).toBe('a_2.ipynb');
    expect(numberedName('a', 3)).toBe('a_3');
  });

  it.each([
    [' a ', 'a.ipynb'],
    ['a.ipynb', 'a.ipynb'],
    ['', null],
    ['../a.ipynb', null],
    ['C:\\a', null],
    ['.a', null]
  ])('are of a notebook in the same folder: %j', (typed, expected) => {
    expect(notebookName(typed)).toBe(expected);
  });
});

describe('chooseKernel', () => {
  const python = { language: 'python' };
  const r = { language: 'R' };
  const one = { default: 'ir', kernelspecs: { ir: r, python3: python } };
  const two = {
    default: 'python3',
    kernelspecs: { python3: python, pandas: python }
  };

  it.each([
    ['its own', two, 'pandas', 'python', { name: 'pandas' }],
    ['none in another language', one, 'ir', 'R', { problem: 'language' }],
    [
      'none for a language without a kernel',
      two,
      'x',
      'julia',
      { problem: 'language' }
    ],
    ['the only Python one', one, 'elsewhere', 'python', { name: 'python3' }],
    ['none of several', two, 'elsewhere', 'python', { problem: 'unknown' }],
    ['the default one if it names none', two, null, null, { name: 'python3' }],
    [
      'none if there is none',
      { default: 'ir', kernelspecs: { ir: r } },
      null,
      null,
      { problem: 'unknown' }
    ]
  ])('gives a notebook %s', (_, specs, asked, language, expected) => {
    expect(chooseKernel(specs, asked, language)).toEqual(expected);
  });
});

describe('places', () => {
  it('are cells as ranges, then lines', () => {
    expect(cellNumbers([6, 1, 2, 3, 5])).toBe('1–3, 5, 6');
    expect(
      placesText([
        { cell: 2, line: 3, end_line: 3 },
        { cell: 4, line: 0, end_line: 0 },
        { cell: 2, line: 1, end_line: 2 },
        { cell: 5, line: 0, end_line: 0 }
      ])
    ).toBe('cells 4, 5; cell 2, line 3; cell 2, lines 1–2');
  });
});
