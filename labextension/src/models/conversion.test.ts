import { describe, expect, it } from 'vitest';

import { besidePath, errorText, readConversion } from './conversion';

describe('readConversion', () => {
  it('finds the answer below what the notebook printed', () => {
    const printed =
      'loss 0.1\n{"x": 1}\n{"written": "a_flow.ipynb", "report": ["F: 2 steps", ""]}\n';
    expect(readConversion(printed)).toEqual({
      written: 'a_flow.ipynb',
      report: ['F: 2 steps', '']
    });
  });

  it('knows a conversion that wrote nothing', () => {
    expect(readConversion('{"written": null, "report": ["error"]}')).toEqual({
      written: null,
      report: ['error']
    });
  });

  it.each(['', 'no answer', 'null', '3', '{"written": "a.ipynb"}'])(
    'takes nothing else for an answer: %s',
    printed => {
      expect(readConversion(printed)).toBeNull();
    }
  );
});

describe('besidePath', () => {
  it.each([
    ['a.ipynb', 'b.ipynb', 'b.ipynb'],
    ['work/deep/a.ipynb', 'b.ipynb', 'work/deep/b.ipynb'],
    ['drive:a.ipynb', 'b.ipynb', 'drive:b.ipynb'],
    ['drive:work/a.ipynb', 'b.ipynb', 'drive:work/b.ipynb']
  ])('puts a file beside %s', (path, name, expected) => {
    expect(besidePath(path, name)).toBe(expected);
  });
});

describe('errorText', () => {
  it('shows the one line of an error of flownb without its colours', () => {
    expect(errorText(['\u001b[31mNotFound\u001b[0m: no file'], 'no file')).toBe(
      'NotFound: no file'
    );
  });

  it('shows only the message of any other error', () => {
    expect(errorText(['Traceback', 'line'], 'division by zero')).toBe(
      'division by zero'
    );
  });
});
